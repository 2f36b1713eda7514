"""Upload tickets: the rules of a narrowed token.

A ticket never permits more than the bucket, the tenant and the service do. The token contains all
rules. Only the number of files is counted in the records, in the commit that makes the files
visible.
"""

from __future__ import annotations

from collections.abc import Callable

from servicekit.tickets import Ticket
from servicekit.tokens import MAX_LIFETIME_SECONDS, Principal
from wharf_upload.domain import keys
from wharf_upload.domain.file_writes import TicketUse

# Enough for uploads in several parts, and for clients that start again instead of resuming.
_BEGUN_PER_FILE = 16


class TicketRefused(ValueError):
    """The request violates a rule of its ticket; `rule` names the rule."""

    def __init__(self, rule: str, text: str) -> None:
        super().__init__(text)
        self.rule = rule


def use_of(principal: Principal) -> TicketUse | None:
    """Return the caller's ticket in the form that the records need, or `None` without a ticket."""
    ticket = principal.ticket
    if ticket is None:
        return None
    return TicketUse(
        id=principal.token_id,
        max_files=ticket.max_files,
        expires_at=1000 * principal.expires_at,
    )


def require(ticket: Ticket, method: str, bucket: str, key: str | None = None) -> None:
    """Raise `TicketRefused` if the ticket does not permit the method, the bucket or the key.

    Without a key, the key of each file is checked later.
    """
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
    """Limits the number of resumable uploads that clients begin with each ticket.

    The counters are in the same place as those of the rate limits. The records count a file when it
    is complete, but reserve its bytes at the beginning. Without this limit, a client could reserve
    the tenant's whole quota with a ticket for one file.
    """

    def __init__(self, counted: Callable[[str, int], int]) -> None:
        """Take `counted`, which increments the counter of a name and returns its new value.

        The arguments of `counted` are the name, and the number of seconds after which the counter
        expires. Several replicas share one counter (`ratelimits.RateLimits.counted`).
        """
        self._counted = counted

    def count(self, principal: Principal) -> None:
        """Count one upload if the caller has a ticket with `max_files`.

        Raises `TicketRefused` if clients have begun too many uploads with the ticket.
        """
        limit = principal.ticket.max_files if principal.ticket else None
        if limit is None:
            return
        name = f"begun/{principal.tenant}/{principal.token_id}"
        most = _BEGUN_PER_FILE * limit
        if self._counted(name, MAX_LIFETIME_SECONDS) > most:
            raise TicketRefused(
                "max_files",
                f"The ticket is for {limit} files, and clients have begun {most} uploads with it. "
                "Continue one of them, or get another ticket.",
            )


def key_of(ticket: Ticket, name: bytes) -> str:
    """Return the key of a file with this `name`: the ticket's key, or a key below its prefix.

    Raises `InvalidKey`.
    """
    if ticket.key is not None:
        return keys.object_key_text(ticket.key)
    return keys.object_key_text(folder(ticket) + keys.object_key(name))


def folder(ticket: Ticket | None) -> str:
    """Return the folder for the names of files; empty for the whole bucket.

    The folder is the ticket's prefix with a slash at its end.
    """
    prefix = (ticket.prefix if ticket else None) or ""
    return prefix if not prefix or prefix.endswith("/") else prefix + "/"


def may_replace(ticket: Ticket | None) -> bool:
    """Tell whether an existing file may be replaced.

    With a ticket, this is only the file of its `key`, and only without `create_only`.
    """
    return ticket is None or (ticket.key is not None and not ticket.create_only)


def most_files(ticket: Ticket | None, limit: int) -> int:
    """Return how many files a form may contain, at most `limit`."""
    if ticket is None:
        return limit
    if ticket.key is not None:
        return 1
    return limit if ticket.max_files is None else min(limit, max(1, ticket.max_files))
