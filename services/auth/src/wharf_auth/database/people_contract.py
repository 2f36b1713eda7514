"""The contract of people's records: users, sessions, refresh tokens. Times: unix milliseconds.

What ends sessions, ends them in the same transaction in which it puts them into the feed of
revocations, and an administrative act into the audit log: nobody sees the one without the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from servicekit.grants import Compact
from wharf_auth.database.groups_contract import UserRights
from wharf_auth.domain.acts import Act


class NoSuchUser(Exception):
    """The tenant has no such user; nothing was changed."""


class LoginOutdated(Exception):
    """The user was disabled, deleted or got another password meanwhile; nothing was changed."""


@dataclass(frozen=True, slots=True)
class User:
    """A person. `disabled_at` is `None` while it may log in.

    `grants` are `None` for everything that the role allows. `reach_version` grows with each change
    of grants, role or groups.
    """

    id: str
    tenant: str
    username: str
    display_name: str
    role: str
    created_at: int
    password_changed_at: int
    disabled_at: int | None = None
    grants: Compact | None = None
    reach_version: int = 0


@dataclass(frozen=True, slots=True)
class PasswordLogin:
    """What a login with a password needs, read at one moment.

    `tenant_suspended` is true of a deleted tenant too.
    """

    user: User
    password_hash: str
    tenant_suspended: bool


@dataclass(frozen=True, slots=True)
class Session:
    """From a login to its end. `used_at`: the login or the last refresh.

    `address` and `user_agent` are those of the login, so that people recognise their sessions.
    """

    id: str
    user: str
    tenant: str
    created_at: int
    used_at: int
    expires_at: int
    address: str
    user_agent: str


@dataclass(frozen=True, slots=True)
class Ending:
    """When sessions end, and (`until`, unix seconds) when the last of their tokens has expired."""

    at: int
    until: int


@dataclass(frozen=True, slots=True)
class ActiveSession:
    """Who stands behind an access token at this moment, while its session goes on."""

    user: User
    session: Session


class RefreshUnknown(Exception):
    """No such refresh token, or its session is over; nothing was changed."""


class RefreshReused(Exception):
    """The refresh token was used before. Its session has been ended and revoked."""


class RefreshSuspended(Exception):
    """The token is good, but its tenant is suspended; nothing was changed."""


class UserRecords(Protocol):
    """Users. Each change is noted in the audit log."""

    def add_user(self, user: User, folded: str, password_hash: str, act: Act) -> None:
        """Adds a user.

        Raises `NoSuchTenant`, `TenantDeleted`, `LimitReached`, or `NameTaken` (the folded name).
        """

    def user(self, tenant: str, user: str) -> User | None:
        """The tenant's user of this id."""

    def named(self, tenant: str, folded: str) -> User | None:
        """The tenant's user of this folded name."""

    def users(self, tenant: str, *, after: str, limit: int) -> list[User]:
        """Users of a tenant in order of their ids, those past `after`; raises `NoSuchTenant`."""

    def set_display_name(self, tenant: str, user: str, name: str, act: Act) -> None:
        """Sets the name for people; raises `NoSuchUser`."""

    def set_rights(self, tenant: str, user: str, rights: UserRights, until: int, act: Act) -> None:
        """Sets role and grants; another role ends all sessions. Again without effect.

        Raises `NoSuchUser`, `LimitedManager` or `LimitReached`. Of this and all below: `until`
        (unix seconds) is when the last of the tokens has expired.
        """

    def disable_user(self, tenant: str, user: str, until: int, act: Act) -> None:
        """Disables a user and ends all sessions, again without effect; raises `NoSuchUser`."""

    def enable_user(self, tenant: str, user: str, act: Act) -> None:
        """Lets a user log in again, again without effect; raises `NoSuchUser`."""

    def set_password(
        self, user: User, password_hash: str, until: int, act: Act, *, keep_session: str = ""
    ) -> None:
        """Sets the password and ends all sessions but one; raises `NoSuchUser`."""

    def delete_user(self, tenant: str, user: str, until: int, act: Act) -> None:
        """Removes a user with all that is known of it, its sessions ended; raises `NoSuchUser`."""

    def end_sessions(self, tenant: str, user: str, until: int, act: Act) -> None:
        """Ends all sessions of a user; raises `NoSuchUser`."""

    def password_login(self, tenant: str, folded: str) -> PasswordLogin | None:
        """The user of this folded name with what a login needs."""

    def password_hash(self, tenant: str, user: str) -> str | None:
        """The hash of a user's password."""


class SessionRecords(Protocol):
    """Sessions and their refresh tokens, which are known by their hashes."""

    def add_session(self, session: Session, refresh_hash: str, password_hash: str) -> User:
        """Adds a session with its first refresh token; raises `LoginOutdated` or `LimitReached`.

        Where the person has too many, those that were used longest ago end.

        `password_hash` is the one that was verified: a login that raced with a change of it fails.
        Returns the user as it is now: a role that was taken away meanwhile must not come back.
        """

    def active_session(self, session: str) -> ActiveSession | None:
        """Who is behind a session; `None` when the session was ended or its user disabled."""

    def sessions(
        self, user: str, *, now: int, idle_since: int, after: str, limit: int
    ) -> list[Session]:
        """A user's sessions that can go on, in order of their ids, those past `after`.

        Those not used since `idle_since` cannot.
        """

    def refreshing(self, presented: str) -> User | None:
        """Whose refresh token this is, good or not."""

    def rotate(
        self, presented: str, successor: str, *, idle_since: int, ending: Ending
    ) -> tuple[User, Session]:
        """Uses up a refresh token and puts its successor in place, both at `ending.at`.

        Raises `RefreshUnknown`, `RefreshReused` or `RefreshSuspended`.
        """

    def end_session(self, user: str, session: str, ending: Ending) -> bool:
        """Ends one session of a user; whether it was there and had not been ended."""

    def end_by_refresh(self, presented: str, ending: Ending) -> bool:
        """Ends the session of a refresh token, used or not; whether there was one to end."""


class LoginNetworks(Protocol):
    """Networks that people have logged in from; a new session notes its own."""

    def login_networks(self, tenant: str, folded: str, now: int) -> frozenset[str]:
        """The networks that the user of this folded name has logged in from within 30 days."""

    def prune_login_networks(self, now: int) -> int:
        """Removes what is older; how much."""


class People(UserRecords, SessionRecords, LoginNetworks, Protocol):
    """Every call is one durable transaction or one consistent read.

    All raise `servicekit.database.DatabaseUnavailable` when the database does not answer in time.
    """
