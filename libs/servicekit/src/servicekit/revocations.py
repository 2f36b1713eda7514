"""The feed of revocations: what `auth` publishes and `upload` follows in the background.

`upload` keeps what it has heard in a file of its own, one page (`Feed`, JSON) a line, so that it
still refuses after a restart while `auth` is down. The time of the file's last change is when the
feed was last heard of.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal, TypeVar, get_args

import msgspec

from servicekit.access import unauthorized
from servicekit.problems import TENANT_SUSPENDED, TOKEN_REVOKED
from servicekit.reaches import KnownReaches, ReachChange
from servicekit.tokens import Principal

log = logging.getLogger(__name__)
# What is revoked is refused within 5 s (security.md row 60); older knowledge is no longer that.
STALE_SECONDS = 5.0
_POLL_SECONDS = 0.5
# Older than this, what is known is used by nobody while another thread reads the file.
_USABLE_SECONDS = 1.0
_TAIL_BYTES = 64
_TENANT_DETAIL = {
    "deleted": "The tenant is deleted; its operator can still undo that.",
    "purged": "The tenant is deleted.",
}
_Name = TypeVar("_Name")

Kind = Literal["token", "session", "subject", "tenant", "reach", "group"]
State = Literal["revoked", "suspended", "active", "deleted", "purged", "changed"]
KINDS = frozenset(get_args(Kind))


class Revocation(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the feed; of two about the same thing the later one (`seq`) holds.

    `id` is the `jti` of a token, the `sid` of a session, the `sub` of a client or user, and empty
    for a whole tenant. `until` (unix seconds) is when nobody needs the entry any more, since what
    it revokes has expired by itself; `None`: for ever. `at` is in unix milliseconds.

    Tokens and sessions are `revoked`; subjects `revoked` or `active` again; tenants `suspended`,
    `active`, `deleted` (in its grace time: refused, and kept), `purged` (everything is to go).
    Entries of the kinds `reach` (`id` is the `sub` of a client or user) and `group` are `changed`
    and have `reach`; without it they take everything away.

    The feed of a newer release may have more. An entry of a kind that is not known is passed over,
    whatever else it has; a state that is not known is refused as any but `active` is.
    """

    seq: int
    kind: Kind | str
    tenant: str = ""
    id: str = ""
    state: State | str = "revoked"
    until: int | None = None
    at: int = 0
    reach: ReachChange | None = None


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the feed: the entries after the number that was asked for, in order.

    `latest` is the newest number there is; when it is smaller than what the follower knows, the
    feed began anew, and the follower reads it from 0.
    """

    entries: tuple[Revocation, ...]
    latest: int


page_of = msgspec.json.Decoder(Feed).decode


class Revocations:
    """What is revoked and suspended, from a file that the follower keeps (`feed_follower`).

    One for each process. Looking costs no I/O but one `stat` in half a second; only what was
    appended since is read.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._known = _Known()
        # How far the file was read, and the last bytes before that.
        self._inode, self._offset, self._tail = -1, 0, b""
        self._heard_at: float | None = None
        self._polled_at = float("-inf")
        self._lock = threading.Lock()

    def accepted(self, principal: Principal) -> Principal:
        """Return the caller with the scopes and the reach that it has now.

        Raises `token-revoked` (401) or `tenant-suspended` (403) where one of them is so.
        """
        known = self._current()
        _refuse_revoked(known, principal)
        return known.reaches.resolve(principal)

    @property
    def reaches(self) -> KnownReaches:
        """What is known of people, clients and groups."""
        return self._current().reaches

    def has_revoked(self, tokens: Iterable[str]) -> bool:
        """Tell whether one of the tokens with these ids was revoked."""
        known = self._current().tokens
        return any(token in known for token in tokens)

    def newest_revocations(self) -> Mapping[str, int]:
        """Return of each tenant with revoked tokens the number (`seq`) of the newest entry."""
        return dict(self._current().newest)

    def tenant_state(self, tenant: str) -> str:
        """`active`, `suspended`, `deleted`, `purged`, or what only a newer release knows."""
        return self._current().tenants.get(tenant, "active")

    def purged(self) -> frozenset[str]:
        """The tenants of which nothing is to be kept."""
        tenants = self._current().tenants
        return frozenset(name for name, state in tenants.items() if state == "purged")

    def age_seconds(self) -> float:
        """How long ago the feed was last heard of; infinite when it never was."""
        self._current()
        return math.inf if self._heard_at is None else max(0.0, time.time() - self._heard_at)

    def unheard(self) -> str | None:
        """For `/readyz` of one replica of several: that it knows nothing of the feed yet.

        What others have refused for long, it would take.
        """
        return self.error() if self.age_seconds() == math.inf else None

    def error(self) -> str | None:
        """For `/readyz`: how old the knowledge is, when it is older than it may be."""
        age = self.age_seconds()
        if age <= STALE_SECONDS:
            return None
        if age == math.inf:
            return "the feed of revocations has not been heard of yet"
        return f"the feed of revocations was last heard of {int(age)} s ago"

    def _current(self) -> _Known:
        age = self._clock() - self._polled_at
        if age >= _POLL_SECONDS and self._lock.acquire(blocking=age >= _USABLE_SECONDS):
            try:
                asked_at = self._clock()
                # Another thread may have read the file while this one waited for its turn.
                if asked_at - self._polled_at >= _POLL_SECONDS:
                    self._look()
                    self._polled_at = asked_at
            finally:
                self._lock.release()
        return self._known

    def _look(self) -> None:
        try:
            self._poll()
        except OSError as error:
            log.warning("the file of revocations cannot be read: %s", error.strerror)

    def _poll(self) -> None:
        try:
            file = open(self._path, "rb")  # noqa: SIM115 -- closed below; its absence is no error
        except FileNotFoundError:
            return  # never heard of the feed: nothing is known to be revoked
        with file:
            status = os.fstat(file.fileno())
            self._heard_at = status.st_mtime
            if (status.st_ino, status.st_size) != (self._inode, self._offset):
                self._read(file)
            self._inode = status.st_ino

    def _read(self, file: BinaryIO) -> None:
        """Reads what was appended; a file that was written anew is read from its beginning."""
        file.seek(max(0, self._offset - len(self._tail)))
        known, offset = self._known, self._offset
        # Inodes are used again: only the same bytes before the offset make it the same file.
        if os.fstat(file.fileno()).st_ino != self._inode or (
            file.read(len(self._tail)) != self._tail
        ):
            known, offset = _Known(), 0
            file.seek(0)
        for line in file:
            if not line.endswith(b"\n"):
                break  # still being written
            try:
                known.take(page_of(line).entries)
            except msgspec.DecodeError as error:
                log.error("a line of the file of revocations is damaged: %s", error)  # noqa: TRY400 -- one line
            offset += len(line)
            self._tail = line[-_TAIL_BYTES:]
        self._offset, self._known = offset, known


def _refuse_revoked(known: _Known, principal: Principal) -> None:
    state = known.tenants.get(principal.tenant)
    if state is not None:
        raise TENANT_SUSPENDED(_TENANT_DETAIL.get(state, "The tenant is suspended."))
    if principal.token_id in known.tokens:
        raise unauthorized(TOKEN_REVOKED, "The token was revoked.", "invalid_token")
    if principal.parents and not known.tokens.isdisjoint(principal.parents):
        raise unauthorized(
            TOKEN_REVOKED, "A token that this one was made from was revoked.", "invalid_token"
        )
    if principal.session and principal.session in known.sessions:
        raise unauthorized(TOKEN_REVOKED, "The session was ended.", "invalid_token")
    if known.subjects and (principal.tenant, principal.subject) in known.subjects:
        raise unauthorized(
            TOKEN_REVOKED,
            "The client or person that this token was made for is disabled.",
            "invalid_token",
        )


@dataclass(slots=True)
class _Known:
    """The entries that hold; whoever is in none of them is active."""

    tokens: set[str] = field(default_factory=set)
    sessions: set[str] = field(default_factory=set)
    subjects: set[tuple[str, str]] = field(default_factory=set)
    tenants: dict[str, str] = field(default_factory=dict)
    # Of tenants with revoked tokens the number of the newest entry about one.
    newest: dict[str, int] = field(default_factory=dict)
    reaches: KnownReaches = field(default_factory=KnownReaches)

    def take(self, entries: tuple[Revocation, ...]) -> None:
        """Later entries about the same thing replace earlier ones; unknown kinds count nothing."""
        for entry in entries:
            if entry.kind == "token":
                _put(self.tokens, entry.id, entry.state)
                self.newest[entry.tenant] = entry.seq
            elif entry.kind == "session":
                _put(self.sessions, entry.id, entry.state)
            elif entry.kind == "subject":
                _put(self.subjects, (entry.tenant, entry.id), entry.state)
            elif entry.kind in {"reach", "group"}:
                change = entry.reach or ReachChange(version=entry.at)
                self.reaches.take(entry.kind, entry.tenant, entry.id, change)
            elif entry.kind != "tenant":
                continue
            elif entry.state == "active":
                self.tenants.pop(entry.tenant, None)
            else:
                self.tenants[entry.tenant] = entry.state


def _put(revoked: set[_Name], name: _Name, state: str) -> None:
    if state == "active":
        revoked.discard(name)
    else:
        revoked.add(name)
