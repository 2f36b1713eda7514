"""Upload tickets: what a narrowed token allows. A ticket only ever refuses: whatever a bucket, a
tenant or the service do not take is not taken with a ticket either.

It is enforced from the token alone, before the body; only its number of files is counted in the
records, in the commit that makes the files visible.
"""

from __future__ import annotations

from collections.abc import Callable

from servicekit.tickets import Ticket
from servicekit.tokens import MAX_LIFETIME_SECONDS, Principal
from wharf_upload.domain import keys
from wharf_upload.domain.file_writes import TicketUse

# Enough for uploads in several parts, and for clients that begin anew instead of going on.
_BEGUN_PER_FILE = 16


class TicketRefused(ValueError):
    """The request is outside of a rule of its ticket; `rule` names the rule."""

    def __init__(self, rule: str, text: str) -> None:
        super().__init__(text)
        self.rule = rule


def use_of(principal: Principal) -> TicketUse | None:
    """What the records have to know of the caller's ticket."""
    ticket = principal.ticket
    if ticket is None:
        return None
    return TicketUse(
        id=principal.token_id,
        max_files=ticket.max_files,
        expires_at=1000 * principal.expires_at,
    )


def require(ticket: Ticket, method: str, bucket: str, key: str | None = None) -> None:
    """Raises `TicketRefused`; without a key the keys are judged later, each by itself."""
    if method not in ticket.methods:
        raise TicketRefused("methods", f"The ticket is for {' and '.join(ticket.methods)} only.")
    if bucket != ticket.bucket:
        raise TicketRefused("bucket", f"The ticket is for the bucket {ticket.bucket} only.")
    if key is None:
        return
    if ticket.key is not None and key != ticket.key:
        raise TicketRefused("key", f"The ticket is for the key {ticket.key} only.")
    if ticket.prefix is not None and not key.startswith(ticket.prefix):
        raise TicketRefused("prefix", f"The ticket is for keys that begin with {ticket.prefix}.")


class TicketUploadLimit:
    """How many resumable uploads each ticket has begun, where requests are counted as well.

    Files are counted when they are complete, but their bytes are reserved from the beginning: who
    only begins would take the tenant's room with a ticket for one file.
    """

    def __init__(self, counted: Callable[[str, int], int]) -> None:
        """`counted` adds one to the counter of a name, which lives for some seconds, and gives it;
        on several replicas it is one counter (`ratelimits.RateLimits.counted`).
        """
        self._counted = counted

    def count(self, principal: Principal) -> None:
        """Counts one; raises `TicketRefused` when there were enough for all files of the ticket."""
        limit = principal.ticket.max_files if principal.ticket else None
        if limit is None:
            return
        name = f"begun/{principal.tenant}/{principal.token_id}"
        most = _BEGUN_PER_FILE * limit
        if self._counted(name, MAX_LIFETIME_SECONDS) > most:
            raise TicketRefused(
                "max_files",
                f"The ticket is for {limit} files and has begun {most} uploads. Go on with "
                "one of them, or get another ticket.",
            )


def key_of(ticket: Ticket, name: bytes) -> str:
    """The key of a file that is called `name`: below the ticket's prefix, or the ticket's own.

    Raises `InvalidKey`.
    """
    if ticket.key is not None:
        return keys.object_key_text(ticket.key)
    return keys.object_key_text(folder(ticket) + keys.object_key(name))


def folder(ticket: Ticket | None) -> str:
    """What names are put behind: the ticket's prefix as a folder, empty for the whole bucket."""
    prefix = (ticket.prefix if ticket else None) or ""
    return prefix if not prefix or prefix.endswith("/") else prefix + "/"


def may_replace(ticket: Ticket | None) -> bool:
    """Whether a file that is there may be replaced: with a ticket, only one that it names."""
    return ticket is None or (ticket.key is not None and not ticket.create_only)


def most_files(ticket: Ticket | None, limit: int) -> int:
    """How many files a form may hold, of at most `limit`."""
    if ticket is None:
        return limit
    if ticket.key is not None:
        return 1
    return limit if ticket.max_files is None else min(limit, max(1, ticket.max_files))
