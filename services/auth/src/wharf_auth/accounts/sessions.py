"""The use cases of people's sessions: login with a password, refresh, and the end of a session."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from servicekit.ids import uuid7_hex
from wharf_auth.accounts import grants, limits, passwords
from wharf_auth.accounts.clients import LoginRefused, TenantSuspended
from wharf_auth.accounts.secret_lane import Asker
from wharf_auth.accounts.secrets import Hasher
from wharf_auth.database.contract import Records
from wharf_auth.database.people_contract import (
    Ending,
    LoginOutdated,
    PasswordLogin,
    Session,
    User,
)
from wharf_auth.domain import scopes, users
from wharf_auth.domain.clock import Clock, milliseconds
from wharf_auth.domain.tokens import last_expiry

REFRESH_BYTES = 32
MAX_USER_AGENT_CHARACTERS = 200
# A longer text cannot be a name, even though folding can make a name longer.
_MAX_FOLDED_CHARACTERS = 4 * users.MAX_USERNAME_CHARACTERS


@dataclass(frozen=True)
class Lifetimes:
    """The longest life of a session, and the longest time without use, both in seconds."""

    absolute_seconds: int
    idle_seconds: int


@dataclass(frozen=True)
class Device:
    """The address and the user agent of a login, as the list of sessions shows them."""

    address: str
    user_agent: str


@dataclass(frozen=True)
class Opened:
    """A live session with its only valid refresh token."""

    user: User
    session: Session
    refresh_token: str


class SessionService:
    """The use cases of sessions.

    If an operator changes the idle time, the change applies to existing sessions too. A change of
    the longest life applies only to new sessions.
    """

    def __init__(
        self, records: Records, hasher: Hasher, clock: Clock, lifetimes: Lifetimes
    ) -> None:
        self._records, self._hasher, self._clock = records, hasher, clock
        self._lifetimes = lifetimes

    def log_in(self, tenant: str, username: str, password: str, device: Device) -> Opened:
        """Verify the password and create a session.

        Raise `LoginRefused`, `TenantSuspended` or `HashingBusy`, or the problem `quota-exceeded` or
        `too-many-revocations`. If the person has too many sessions, the least recently used session
        ends. A wrong name causes the same work as a wrong password: one query of the records, and
        one verification of a password. So the duration does not tell whether the name exists.
        """
        password = passwords.normalized(password)
        login = self._login(tenant, users.folded(username))
        asker = Asker.at(device.address, users.account_of(tenant, username))
        kept = login.password_hash if login else None
        proven = self._hasher.matches(password, kept, asker)
        if login is None or not proven or login.user.disabled_at is not None:
            raise LoginRefused
        if login.tenant_suspended:
            raise TenantSuspended(login.user.tenant)
        session = self._session(login.user, device)
        token = secrets.token_urlsafe(REFRESH_BYTES)
        try:
            with limits.as_problems():
                user = self._records.add_session(session, hash_of(token), login.password_hash)
        except LoginOutdated:
            raise LoginRefused from None
        return Opened(user, session, token)

    def _login(self, tenant: str, folded: str) -> PasswordLogin | None:
        # PostgreSQL refuses a text with NUL.
        if "\0" in tenant + folded or len(tenant) + len(folded) > _MAX_FOLDED_CHARACTERS:
            tenant = folded = ""
        return self._records.password_login(tenant, folded)

    def _session(self, user: User, device: Device) -> Session:
        now = milliseconds(self._clock)
        return Session(
            id=uuid7_hex(),
            user=user.id,
            tenant=user.tenant,
            created_at=now,
            used_at=now,
            expires_at=now + 1000 * self._lifetimes.absolute_seconds,
            address=device.address,
            user_agent=_printable(device.user_agent)[:MAX_USER_AGENT_CHARACTERS],
        )

    def refresh(self, token: str) -> Opened:
        """Replace a refresh token by a new one; return its session.

        Raise `RefreshUnknown`, `RefreshSuspended`, or `RefreshReused`, which ends the session.
        """
        successor = secrets.token_urlsafe(REFRESH_BYTES)
        user, session = self._records.rotate(
            hash_of(token),
            hash_of(successor),
            idle_since=self._idle_since(),
            ending=self._ending(),
        )
        return Opened(user, session, successor)

    def require_granted(self, token: str, wanted: str | None) -> None:
        """Raise `scopes.UnknownScope` if the token's person does not have all wanted scopes."""
        user = self._records.refreshing(hash_of(token)) if wanted else None
        if user is not None:
            scopes.narrowed(grants.of_user(self._records, user).scopes, wanted)

    def end(self, user: str, session: str) -> bool:
        """End one session of a user; return whether a live session existed."""
        return self._records.end_session(user, session, self._ending())

    def end_by_refresh(self, token: str) -> bool:
        """End the session of a refresh token; return whether a live session existed."""
        return self._records.end_by_refresh(hash_of(token), self._ending())

    def listed(self, user: str, *, after: str, limit: int) -> list[Session]:
        """Return a page of a user's live sessions, oldest first."""
        now = milliseconds(self._clock)
        return self._records.sessions(
            user, now=now, idle_since=self._idle_since(), after=after, limit=limit
        )

    def seconds_left(self, session: Session) -> int:
        """Return how many seconds a refresh token that is issued now can be used."""
        left = (session.expires_at - milliseconds(self._clock)) // 1000
        return max(0, min(left, self._lifetimes.idle_seconds))

    def _idle_since(self) -> int:
        return milliseconds(self._clock) - 1000 * self._lifetimes.idle_seconds

    def _ending(self) -> Ending:
        now = milliseconds(self._clock)
        return Ending(now, last_expiry(now))


def hash_of(token: str) -> str:
    """Return the SHA-256 of a refresh token, which the records store.

    A fast hash is enough, since a random token cannot be guessed.
    """
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())
