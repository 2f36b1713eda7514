"""The records of users in SQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from servicekit.database import Connection, UniqueViolation
from servicekit.grants import Holder
from servicekit.reaches import ReachChange
from servicekit.revocations import State
from wharf_auth.database import audit, feed, login_networks, reaches, room
from wharf_auth.database.contract import NameTaken, NoSuchTenant
from wharf_auth.database.groups_contract import UserRights
from wharf_auth.database.people_contract import Ending, NoSuchUser, PasswordLogin, User
from wharf_auth.database.reaches import PublishesReaches
from wharf_auth.database.sessions import (
    USER,
    USER_COLUMNS,
    delete_sessions,
    end_sessions,
    publish,
    user_of,
)
from wharf_auth.database.tenants import require_live_tenant
from wharf_auth.domain.acts import Act
from wharf_auth.domain.users import scopes_of

_USER = f"SELECT {USER} FROM users u"  # noqa: S608 -- columns
_LOGIN = (
    f"SELECT {USER}, u.password_hash, COALESCE(t.deleted_at, t.suspended_at) "  # noqa: S608 -- columns
    "FROM users u JOIN tenants t ON t.name = u.tenant"
)


class SqlUsers(PublishesReaches):
    """The SQL implementation of `UserRecords`."""

    def add_user(self, user: User, folded: str, password_hash: str, act: Act) -> None:
        """Insert a user."""
        room.require_entries(self._database, user.tenant, self._limits)
        try:
            with self._database.transaction() as connection:
                require_live_tenant(connection, user.tenant)
                room.require_user(connection, user.tenant, self._limits)
                grant_bytes = room.bytes_of(user.grants, _holder(user.id, user.username))
                room.require_grants(connection, user.tenant, grant_bytes, self._limits)
                connection.execute(
                    "INSERT INTO users (id, tenant, username, folded, display_name, role, "
                    "password_hash, created_at, password_changed_at, disabled_at, grants, "
                    "reach_version, grant_bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        user.id,
                        user.tenant,
                        user.username,
                        folded,
                        user.display_name,
                        user.role,
                        password_hash,
                        user.created_at,
                        user.password_changed_at,
                        user.disabled_at,
                        reaches.stored(user.grants),
                        user.reach_version,
                        grant_bytes,
                    ),
                )
                self._publish_new(connection, user.tenant, user.id, _reach_of(user), act.at)
                audit.append(connection, act)
        except UniqueViolation:
            raise NameTaken(user.username) from None

    def user(self, tenant: str, user: str) -> User | None:
        """Read one user by id."""
        row = self._database.reading().row(
            f"{_USER} WHERE u.tenant = ? AND u.id = ?", (tenant, user)
        )
        return user_of(row) if row else None

    def named(self, tenant: str, folded: str) -> User | None:
        """Read one user by folded name."""
        row = self._database.reading().row(
            f"{_USER} WHERE u.tenant = ? AND u.folded = ?", (tenant, folded)
        )
        return user_of(row) if row else None

    def users(self, tenant: str, *, after: str, limit: int) -> list[User]:
        """Read a page of users."""
        connection = self._database.reading()
        if connection.row("SELECT 1 FROM tenants WHERE name = ?", (tenant,)) is None:
            raise NoSuchTenant(tenant)
        rows = connection.rows(
            f"{_USER} WHERE u.tenant = ? AND u.id > ? ORDER BY u.id LIMIT ?",
            (tenant, after, limit),
        )
        return [user_of(row) for row in rows]

    def set_display_name(self, tenant: str, user: str, name: str, act: Act) -> None:
        """Update the display name; the user's sessions continue."""
        with self._changing(tenant, user) as connection:
            connection.execute("UPDATE users SET display_name = ? WHERE id = ?", (name, user))
            audit.append(connection, act)

    def set_rights(self, tenant: str, user: str, rights: UserRights, until: int, act: Act) -> None:
        """Update role and grants.

        Tokens name the scopes of the old role, so a new role ends the sessions. New grants need no
        new token: the feed brings them to the services.
        """
        with self._changing(tenant, user, holding_tenant=True) as connection:
            ((old_role, column, username),) = connection.rows(
                "SELECT role, grants, username FROM users WHERE id = ?", (user,)
            )
            old_grants = reaches.read(column)
            role = old_role if rights.role is msgspec.UNSET else rights.role
            grants = old_grants if rights.grants is msgspec.UNSET else rights.grants
            reaches.require_unlimited(scopes_of(role), grants)
            if (role, grants) != (old_role, old_grants):
                holder = _holder(user, username)
                grant_bytes = room.bytes_of(grants, holder)
                more = grant_bytes - room.bytes_of(old_grants, holder)
                room.require_grants(connection, tenant, more, self._limits)
                connection.execute(
                    "UPDATE users SET role = ?, grants = ?, grant_bytes = ? WHERE id = ?",
                    (role, reaches.stored(grants), grant_bytes, user),
                )
                ended = [] if role == old_role else end_sessions(connection, user, act.at)
                self._publish_user_reach(connection, tenant, user, act.at)
                publish(connection, tenant, ended, Ending(act.at, until))
            audit.append(connection, act)

    def disable_user(self, tenant: str, user: str, until: int, act: Act) -> None:
        """Disable the user and end its sessions.

        The feed also gets one entry that revokes the user as a subject. This entry alone makes the
        followers refuse all tokens of the user.
        """
        with self._changing(tenant, user) as connection:
            if connection.execute(
                "UPDATE users SET disabled_at = ? WHERE id = ? AND disabled_at IS NULL",
                (act.at, user),
            ):
                ended = end_sessions(connection, user, act.at)
                self._publish_user_reach(connection, tenant, user, act.at)
                publish(connection, tenant, ended, Ending(act.at, until))
                _publish_user(connection, tenant, user, "revoked", until, act.at)
            audit.append(connection, act)

    def enable_user(self, tenant: str, user: str, act: Act) -> None:
        """Enable the user again; the ended sessions and their tokens stay ended."""
        with self._changing(tenant, user) as connection:
            if connection.execute(
                "UPDATE users SET disabled_at = NULL WHERE id = ? AND disabled_at IS NOT NULL",
                (user,),
            ):
                self._publish_user_reach(connection, tenant, user, act.at)
                _publish_user(connection, tenant, user, "active", None, act.at)
            audit.append(connection, act)

    def set_password(
        self, user: User, password_hash: str, until: int, act: Act, *, keep_session: str = ""
    ) -> None:
        """Update the password and end the sessions.

        A concurrent login that has verified the old password fails in `add_session`.
        """
        with self._changing(user.tenant, user.id) as connection:
            connection.execute(
                "UPDATE users SET password_hash = ?, password_changed_at = ? WHERE id = ?",
                (password_hash, act.at, user.id),
            )
            ended = end_sessions(connection, user.id, act.at, keep_session)
            publish(connection, user.tenant, ended, Ending(act.at, until))
            audit.append(connection, act)

    def end_sessions(self, tenant: str, user: str, until: int, act: Act) -> None:
        """End the sessions under a lock on the user's row: no login can add one concurrently."""
        with self._changing(tenant, user) as connection:
            ended = end_sessions(connection, user, act.at)
            publish(connection, tenant, ended, Ending(act.at, until))
            audit.append(connection, act)

    def delete_user(self, tenant: str, user: str, until: int, act: Act) -> None:
        """Delete all rows of the user; only its id stays, in the feed and in the audit log."""
        with self._changing(tenant, user) as connection:
            ended = end_sessions(connection, user, act.at)
            delete_sessions(connection, user)
            login_networks.delete_of_user(connection, user)
            connection.execute(
                "DELETE FROM group_members WHERE subject = ? AND tenant = ?", (user, tenant)
            )
            gone = ReachChange(reaches.renewed(connection, tenant, "user", user, act.at).version)
            connection.execute("DELETE FROM users WHERE id = ?", (user,))
            publish(connection, tenant, ended, Ending(act.at, until))
            _publish_user(connection, tenant, user, "revoked", until, act.at)
            self._publish(connection, tenant, {user: gone}, act.at)
            audit.append(connection, act)

    def password_login(self, tenant: str, folded: str) -> PasswordLogin | None:
        """Read user, hash and tenant in one statement, so that they are consistent."""
        row = self._database.reading().row(
            f"{_LOGIN} WHERE u.tenant = ? AND u.folded = ?", (tenant, folded)
        )
        if row is None:
            return None
        return PasswordLogin(user_of(row), row[USER_COLUMNS], row[USER_COLUMNS + 1] is not None)

    def password_hash(self, tenant: str, user: str) -> str | None:
        """Read one password hash."""
        row = self._database.reading().row(
            "SELECT password_hash FROM users WHERE tenant = ? AND id = ?", (tenant, user)
        )
        return str(row[0]) if row else None

    def _publish_user_reach(self, connection: Connection, tenant: str, user: str, at: int) -> None:
        """Append the user's current reach to the feed."""
        change = reaches.renewed(connection, tenant, "user", user, at)
        self._publish(connection, tenant, {user: change}, at)

    @contextmanager
    def _changing(
        self, tenant: str, user: str, *, holding_tenant: bool = False
    ) -> Iterator[Connection]:
        """Begin a transaction with a lock on the user's row, so that no login adds a session.

        With `holding_tenant`, lock the tenant's row first. Raise `NoSuchUser`.
        """
        with self._database.transaction() as connection:
            if holding_tenant:
                room.hold(connection, tenant)
            # On PostgreSQL this update locks the row; SQLite allows only one writer anyway.
            if not connection.execute(
                "UPDATE users SET username = username WHERE id = ? AND tenant = ?", (user, tenant)
            ):
                raise NoSuchUser(user)
            yield connection


def _publish_user(
    connection: Connection, tenant: str, user: str, state: State, until: int | None, at: int
) -> None:
    feed.append(connection, "subject", state, tenant=tenant, thing=user, until=until, at=at)


def _reach_of(user: User) -> ReachChange:
    holder = _holder(user.id, user.username)
    scopes = " ".join(scopes_of(user.role))
    return reaches.of_row(user.reach_version, user.grants, holder, scopes)


def _holder(user: str, username: str) -> Holder:
    return Holder(user_id=user, username=username)
