"""The contract of people's records: users, sessions, refresh tokens. Times are unix milliseconds.

A call that ends sessions adds the sessions to the feed of revocations. An administrative call adds
its act to the audit log. The transaction of the call includes these additions.
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
    """The user was disabled, deleted or got a new password during the login.

    Nothing was changed.
    """


@dataclass(frozen=True, slots=True)
class User:
    """A person. `disabled_at` is `None` while the person may log in.

    `grants` is `None` if the person reaches everything that the role allows. `reach_version` grows
    with each change of grants, role or groups.
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
    """All data for a login with a password, read consistently.

    `tenant_suspended` is true for suspended and for deleted tenants.
    """

    user: User
    password_hash: str
    tenant_suspended: bool


@dataclass(frozen=True, slots=True)
class Session:
    """The session of a person. `used_at` is the time of the login or of the last refresh.

    `address` and `user_agent` are from the login, so that people recognize their sessions.
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
    """The time `at` when sessions end, and the time when their last token has expired.

    `at` is in unix milliseconds; `until` is the expiry of the last token in unix seconds.
    """

    at: int
    until: int


@dataclass(frozen=True, slots=True)
class ActiveSession:
    """A session that has not ended, with its user as the records have it now."""

    user: User
    session: Session


class RefreshUnknown(Exception):
    """The refresh token is unknown, or its session cannot continue; nothing was changed.

    The session was ended, has expired or was not used for too long, or its user is disabled.
    """


class RefreshReused(Exception):
    """The refresh token was used before. The call has ended and revoked its session."""


class RefreshSuspended(Exception):
    """The refresh token is valid, but its tenant is suspended or deleted; nothing was changed."""


class UserRecords(Protocol):
    """The records of users. Every call that has an act adds the act to the audit log."""

    def add_user(self, user: User, folded: str, password_hash: str, act: Act) -> None:
        """Add a user.

        Raise `NoSuchTenant`, `TenantDeleted`, `LimitReached`, or `NameTaken` for a known folded
        name.
        """

    def user(self, tenant: str, user: str) -> User | None:
        """Return the tenant's user with this id; `None` if there is none."""

    def named(self, tenant: str, folded: str) -> User | None:
        """Return the tenant's user with this folded name; `None` if there is none."""

    def users(self, tenant: str, *, after: str, limit: int) -> list[User]:
        """Return up to `limit` users of a tenant with ids after `after`, in order of their ids.

        Raise `NoSuchTenant`.
        """

    def set_display_name(self, tenant: str, user: str, name: str, act: Act) -> None:
        """Set the display name; raise `NoSuchUser`."""

    def set_rights(self, tenant: str, user: str, rights: UserRights, until: int, act: Act) -> None:
        """Set role and grants; a new role ends all sessions. A second call only adds its act.

        Raise `NoSuchUser`, `LimitedManager` or `LimitReached`. In all calls of this class, `until`
        (unix seconds) is the time when the last token of the ended sessions has expired.
        """

    def disable_user(self, tenant: str, user: str, until: int, act: Act) -> None:
        """Disable a user and end all sessions; raise `NoSuchUser`.

        A second call only adds its act.
        """

    def enable_user(self, tenant: str, user: str, act: Act) -> None:
        """Allow a user to log in again; raise `NoSuchUser`. A second call only adds its act."""

    def set_password(
        self, user: User, password_hash: str, until: int, act: Act, *, keep_session: str = ""
    ) -> None:
        """Set the password and end all sessions except `keep_session`; raise `NoSuchUser`."""

    def delete_user(self, tenant: str, user: str, until: int, act: Act) -> None:
        """Delete a user and all data about it, and end its sessions; raise `NoSuchUser`.

        Only the id of the user stays, in the feed and in the audit log.
        """

    def end_sessions(self, tenant: str, user: str, until: int, act: Act) -> None:
        """End all sessions of a user; raise `NoSuchUser`."""

    def password_login(self, tenant: str, folded: str) -> PasswordLogin | None:
        """Return the user with this folded name and the data for the login; `None` without one."""

    def password_hash(self, tenant: str, user: str) -> str | None:
        """Return the hash of a user's password; `None` if there is no such user."""


class SessionRecords(Protocol):
    """The records of sessions, and of the hashes of their refresh tokens."""

    def add_session(self, session: Session, refresh_hash: str, password_hash: str) -> User:
        """Add a session with its first refresh token; raise `LoginOutdated` or `LimitReached`.

        If the person has too many sessions, the least recently used sessions end. `password_hash`
        is the hash that the login has verified: the call raises `LoginOutdated` if the password was
        changed since then. Return the user as it is now: its role may have changed in this time.
        """

    def active_session(self, session: str) -> ActiveSession | None:
        """Return a session that no call has ended, with its user, even if it has expired.

        Return `None` for any other session, or if the user is disabled.
        """

    def sessions(
        self, user: str, *, now: int, idle_since: int, after: str, limit: int
    ) -> list[Session]:
        """Return up to `limit` live sessions of a user with ids after `after`, ordered by id.

        A session is not live if it was last used at `idle_since` or before.
        """

    def refreshing(self, presented: str) -> User | None:
        """Return the user of a refresh token, even of a used one; `None` for an unknown token."""

    def rotate(
        self, presented: str, successor: str, *, idle_since: int, ending: Ending
    ) -> tuple[User, Session]:
        """Mark a refresh token as used and add the next one, both at the time `ending.at`.

        `presented` and `successor` are the hashes of the two tokens. Raise `RefreshUnknown`, for
        example if the session was last used at `idle_since` or before, `RefreshReused` or
        `RefreshSuspended`.
        """

    def end_session(self, user: str, session: str, ending: Ending) -> bool:
        """End one session of a user; return whether it existed and had not ended."""

    def end_by_refresh(self, presented: str, ending: Ending) -> bool:
        """End the session of a used or unused refresh token; return whether a session ended."""


class LoginNetworks(Protocol):
    """The records of networks from which people have logged in; a new session adds its network."""

    def login_networks(self, tenant: str, folded: str, now: int) -> frozenset[str]:
        """Return the known networks of the user with this name.

        A network is known if the user has logged in from it within the last 30 days. It may stay
        known for one day longer. `folded` is the folded user name.
        """

    def prune_login_networks(self, now: int) -> int:
        """Remove the networks that `login_networks` no longer returns; return their number."""


class People(UserRecords, SessionRecords, LoginNetworks, Protocol):
    """All records about people. Every call is one durable transaction or one consistent read.

    Every call raises `servicekit.database.DatabaseUnavailable` when the database does not respond
    in time.
    """
