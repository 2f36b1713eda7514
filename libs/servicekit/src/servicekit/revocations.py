"""The feed of revocations, which auth publishes and upload follows in the background.

Upload stores the feed in a file with one page (`Feed`, JSON) on each line, so that it still refuses
revoked tokens after a restart while auth is down. The file's modification time is the time of the
last successful request to the feed.
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
# A revoked token is refused within 5 s (security.md row 60), so a copy of the feed that is older
# than this is stale.
STALE_SECONDS = 5.0
_POLL_SECONDS = 0.5
# If the file was last checked longer ago than this, a thread waits for the thread that reads the
# file.
_USABLE_SECONDS = 1.0
_TAIL_BYTES = 64
_TENANT_DETAIL = {
    "deleted": "The tenant is deleted; the operator of the service can still resume it.",
    "purged": "The tenant is deleted.",
}
_Name = TypeVar("_Name")

Kind = Literal["token", "session", "subject", "tenant", "reach", "group"]
State = Literal["revoked", "suspended", "active", "deleted", "purged", "changed"]
KINDS = frozenset(get_args(Kind))


class Revocation(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the feed; of two entries with the same kind and id the later (`seq`) applies.

    `id` is the `jti` of a token, the `sid` of a session, the `sub` of a client or user, the id of a
    group, or empty for a tenant. `until` (unix seconds) is the time when the entry expires, since
    everything that it revokes has expired; `None` means never. `at` is in unix milliseconds.

    Tokens and sessions have the state `revoked`. Subjects are `revoked`, or `active` again. Tenants
    are `suspended`, `active`, `deleted` (in the grace period: requests are refused and data stays)
    or `purged` (services have to delete all data). Entries of the kinds `reach` (`id` is the `sub`
    of a client or user) and `group` are `changed` and have `reach`; without it the subject or group
    reaches nothing.

    The feed of a newer release may have more kinds and states. Followers ignore an entry of an
    unknown kind. Followers treat an unknown state like `revoked`: only `active` is accepted.
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
    """A page of the feed: the entries after the requested number, in order.

    `latest` is the newest number of the feed. If it is smaller than the follower's number, the feed
    was restarted, and the follower reads it again from 0.
    """

    entries: tuple[Revocation, ...]
    latest: int


page_of = msgspec.json.Decoder(Feed).decode


class Revocations:
    """The revoked tokens and suspended tenants, from the file of the follower (`feed_follower`).

    Each process has one object. The object checks the file at most once in half a second, and reads
    only the appended lines.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._known = _Known()
        # The position up to which the file was read, and the last bytes before this position.
        self._inode, self._offset, self._tail = -1, 0, b""
        self._heard_at: float | None = None
        self._polled_at = float("-inf")
        self._lock = threading.Lock()

    def accepted(self, principal: Principal) -> Principal:
        """Return the principal with its current scopes and reach.

        Raise `token-revoked` (401) or `tenant-suspended` (403) if the token is not accepted, and
        `unavailable` (503) if its grants are not in the feed yet.
        """
        known = self._current()
        _refuse_revoked(known, principal)
        return known.reaches.resolve(principal)

    @property
    def reaches(self) -> KnownReaches:
        """Return the known reaches of people, clients and groups."""
        return self._current().reaches

    def has_revoked(self, tokens: Iterable[str]) -> bool:
        """Tell whether one of the tokens with these ids was revoked."""
        known = self._current().tokens
        return any(token in known for token in tokens)

    def newest_revocations(self) -> Mapping[str, int]:
        """Return the number (`seq`) of the newest revoked token for each tenant that has some."""
        return dict(self._current().newest)

    def tenant_state(self, tenant: str) -> str:
        """Return `active`, `suspended`, `deleted`, `purged`, or a state of a newer release."""
        return self._current().tenants.get(tenant, "active")

    def purged(self) -> frozenset[str]:
        """Return the purged tenants; the caller has to delete their data."""
        tenants = self._current().tenants
        return frozenset(name for name, state in tenants.items() if state == "purged")

    def age_seconds(self) -> float:
        """Return the seconds since the last successful request to the feed; infinite if never."""
        self._current()
        return math.inf if self._heard_at is None else max(0.0, time.time() - self._heard_at)

    def unheard(self) -> str | None:
        """Return an error for `/readyz` if this replica has never received the feed.

        A replica without the feed would accept tokens that the other replicas refuse.
        """
        return self.error() if self.age_seconds() == math.inf else None

    def error(self) -> str | None:
        """Return an error for `/readyz` with the age of the feed if the feed is stale."""
        age = self.age_seconds()
        if age <= STALE_SECONDS:
            return None
        if age == math.inf:
            return "the feed of revocations was not received yet"
        return f"the feed of revocations was last received {int(age)} s ago"

    def _current(self) -> _Known:
        age = self._clock() - self._polled_at
        if age >= _POLL_SECONDS and self._lock.acquire(blocking=age >= _USABLE_SECONDS):
            try:
                asked_at = self._clock()
                # Another thread may have read the file while this thread waited for the lock.
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
            return  # the feed was never received, so no revocation is known
        with file:
            status = os.fstat(file.fileno())
            self._heard_at = status.st_mtime
            if (status.st_ino, status.st_size) != (self._inode, self._offset):
                self._read(file)
            self._inode = status.st_ino

    def _read(self, file: BinaryIO) -> None:
        """Read the appended lines; read a replaced file from its beginning."""
        file.seek(max(0, self._offset - len(self._tail)))
        known, offset = self._known, self._offset
        # Inodes are reused: the file is the same only if the bytes before the offset are the same.
        if os.fstat(file.fileno()).st_ino != self._inode or (
            file.read(len(self._tail)) != self._tail
        ):
            known, offset = _Known(), 0
            file.seek(0)
        for line in file:
            if not line.endswith(b"\n"):
                break  # the follower is still writing this line
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
    """The current entries of the feed; a subject or tenant without an entry is active."""

    tokens: set[str] = field(default_factory=set)
    sessions: set[str] = field(default_factory=set)
    subjects: set[tuple[str, str]] = field(default_factory=set)
    tenants: dict[str, str] = field(default_factory=dict)
    # By tenant: the number of the newest entry about a revoked token.
    newest: dict[str, int] = field(default_factory=dict)
    reaches: KnownReaches = field(default_factory=KnownReaches)

    def take(self, entries: tuple[Revocation, ...]) -> None:
        """Add entries; a later entry replaces an earlier one, and unknown kinds are ignored."""
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
