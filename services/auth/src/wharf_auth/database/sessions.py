"""The records of sessions and refresh tokens in SQL."""

from __future__ import annotations

from servicekit.database import Connection, Row
from wharf_auth.database import feed, login_networks, reaches, room
from wharf_auth.database.people_contract import (
    ActiveSession,
    Ending,
    LoginOutdated,
    RefreshReused,
    RefreshSuspended,
    RefreshUnknown,
    Session,
    User,
)
from wharf_auth.domain.tokens import last_expiry

USER = (
    "u.id, u.tenant, u.username, u.display_name, u.role, u.created_at, u.password_changed_at, "
    "u.disabled_at, u.grants, u.reach_version"
)
USER_COLUMNS = 10
_SESSION = (
    "s.id, s.user_id, s.tenant, s.created_at, s.used_at, s.expires_at, s.address, s.user_agent"
)
_SESSIONS = f"SELECT {_SESSION} FROM sessions s"  # noqa: S608 -- columns
_ACTIVE_SESSION = (
    f"SELECT {USER}, {_SESSION} "  # noqa: S608 -- columns
    "FROM sessions s JOIN users u ON u.id = s.user_id"
)
_REFRESHING = (
    "SELECT r.used_at, COALESCE(t.deleted_at, t.suspended_at), u.disabled_at, s.ended_at, "  # noqa: S608 -- columns
    f"{_SESSION}, {USER} FROM refresh_tokens r JOIN sessions s ON s.id = r.session "
    "JOIN users u ON u.id = s.user_id JOIN tenants t ON t.name = u.tenant WHERE r.hash = ?"
)
_ONE = "SELECT s.id, s.tenant FROM sessions s"
# The row of a session stays for a day after its end. Each login removes some older rows.
_KEPT_MILLISECONDS = 24 * 3600 * 1000
_SWEPT_AT_ONCE = 20
# How many used refresh tokens a session keeps, to detect a stolen one. A person may refresh any
# number of times, so this limit is necessary. An older used token is refused as unknown.
_USED_KEPT = 100
# The first number limits the stored ended or expired sessions of a person. The second limits the
# sessions that one login ends or removes.
_OVER_KEPT = _MOVED_AT_ONCE = 100


def user_of(row: Row) -> User:
    """Convert a row with the columns `USER` to a user."""
    members = (*row[:8], reaches.read(row[8]), row[9])
    return User(*members)


def end_sessions(connection: Connection, user: str, at: int, keep: str = "") -> list[str]:
    """End all sessions of a user except `keep`, and lock their rows until the commit.

    Return the ids of the ended sessions; the caller has to publish them.
    """
    rows = connection.rows(
        "SELECT id FROM sessions WHERE user_id = ? AND ended_at IS NULL AND id <> ? ORDER BY id",
        (user, keep),
    )
    return [session for (session,) in rows if _end(connection, session, at)]


def delete_sessions(connection: Connection, user: str) -> None:
    """Delete the rows of a user's sessions; the caller has ended the sessions before."""
    connection.execute(
        "DELETE FROM refresh_tokens WHERE session IN (SELECT id FROM sessions WHERE user_id = ?)",
        (user,),
    )
    connection.execute("DELETE FROM sessions WHERE user_id = ?", (user,))


def publish(connection: Connection, tenant: str, sessions: list[str], ending: Ending) -> None:
    """Append ended sessions to the feed; call this after all other changes of the transaction."""
    for session in sessions:
        feed.append(
            connection,
            "session",
            "revoked",
            tenant=tenant,
            thing=session,
            until=ending.until,
            at=ending.at,
        )


def purge(connection: Connection, tenant: str) -> None:
    """Delete all users of a tenant with their sessions and networks."""
    connection.execute(
        "DELETE FROM refresh_tokens WHERE session IN (SELECT id FROM sessions WHERE user_id IN "
        "(SELECT id FROM users WHERE tenant = ?))",
        (tenant,),
    )
    connection.execute(
        "DELETE FROM sessions WHERE user_id IN (SELECT id FROM users WHERE tenant = ?)", (tenant,)
    )
    login_networks.purge(connection, tenant)
    connection.execute("DELETE FROM users WHERE tenant = ?", (tenant,))


def _end(connection: Connection, session: str, at: int) -> bool:
    ended = connection.execute(
        "UPDATE sessions SET ended_at = ?, "
        "expires_at = CASE WHEN expires_at < ? THEN expires_at ELSE ? END "
        "WHERE id = ? AND ended_at IS NULL",
        (at, at, at, session),
    )
    return bool(ended)


def _sweep(connection: Connection, now: int) -> None:
    rows = connection.rows(
        "SELECT id FROM sessions WHERE expires_at < ? ORDER BY expires_at LIMIT ?",
        (now - _KEPT_MILLISECONDS, _SWEPT_AT_ONCE),
    )
    _remove(connection, rows)


def _make_room(connection: Connection, new: Session, most: int) -> list[str]:
    """End the least recently used sessions if the person has more than `most` sessions.

    Return the ids of the ended sessions; the caller has to publish them. Also delete the oldest
    ended or expired sessions if there are more than `_OVER_KEPT`.
    """
    rows = connection.rows(
        "SELECT id FROM sessions WHERE user_id = ? AND id <> ? AND expires_at > ? "
        "AND ended_at IS NULL ORDER BY used_at DESC, id DESC LIMIT ? OFFSET ?",
        (new.user, new.id, new.created_at, _MOVED_AT_ONCE, most - 1),
    )
    ended = [one for (one,) in reversed(rows) if _end(connection, one, new.created_at)]
    over = connection.rows(
        "SELECT id FROM sessions WHERE user_id = ? AND expires_at <= ? "
        "ORDER BY expires_at DESC, id DESC LIMIT ? OFFSET ?",
        (new.user, new.created_at, _MOVED_AT_ONCE, _OVER_KEPT),
    )
    _remove(connection, over)
    return ended


def _remove(connection: Connection, sessions: list[Row]) -> None:
    connection.execute_many("DELETE FROM refresh_tokens WHERE session = ?", sessions)
    connection.execute_many("DELETE FROM sessions WHERE id = ?", sessions)


class SqlSessions(room.HasLimits):
    """The SQL implementation of `SessionRecords`."""

    def add_session(self, session: Session, refresh_hash: str, password_hash: str) -> User:
        """Insert a session under a lock on the user's row.

        A concurrent call that ends all sessions takes the same lock. So that call either ends this
        session too, or runs before the session exists.
        """
        room.require_entries(self._database, session.tenant, self._limits)
        with self._database.transaction() as connection:
            if not connection.execute(
                "UPDATE users SET username = username "
                "WHERE id = ? AND tenant = ? AND password_hash = ? AND disabled_at IS NULL",
                (session.user, session.tenant, password_hash),
            ):
                raise LoginOutdated(session.user)
            (row,) = connection.rows(
                f"SELECT {USER} FROM users u WHERE u.id = ?",  # noqa: S608 -- columns
                (session.user,),
            )
            connection.execute(
                "INSERT INTO sessions (id, user_id, tenant, created_at, used_at, expires_at, "
                "address, user_agent) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    session.id,
                    session.user,
                    session.tenant,
                    session.created_at,
                    session.used_at,
                    session.expires_at,
                    session.address,
                    session.user_agent,
                ),
            )
            _add_token(connection, refresh_hash, session.id, session.created_at)
            ended = _make_room(connection, session, self._limits.sessions)
            _sweep(connection, session.created_at)
            login_networks.note(connection, session)
            ending = Ending(session.created_at, last_expiry(session.created_at))
            publish(connection, session.tenant, ended, ending)
        return user_of(row)

    def active_session(self, session: str) -> ActiveSession | None:
        """Read session and user in one statement, so that they are consistent."""
        row = self._database.reading().row(
            f"{_ACTIVE_SESSION} WHERE s.id = ? AND s.ended_at IS NULL AND u.disabled_at IS NULL",
            (session,),
        )
        if row is None:
            return None
        return ActiveSession(user_of(row[:USER_COLUMNS]), Session(*row[USER_COLUMNS:]))

    def sessions(
        self, user: str, *, now: int, idle_since: int, after: str, limit: int
    ) -> list[Session]:
        """Read a page of sessions."""
        rows = self._database.reading().rows(
            f"{_SESSIONS} WHERE s.user_id = ? AND s.ended_at IS NULL "
            "AND s.expires_at > ? AND s.used_at > ? AND s.id > ? ORDER BY s.id LIMIT ?",
            (user, now, idle_since, after, limit),
        )
        return [Session(*row) for row in rows]

    def refreshing(self, presented: str) -> User | None:
        """Read the user of a refresh token."""
        row = self._database.reading().row(_REFRESHING, (presented,))
        return user_of(row[12:]) if row else None

    def rotate(
        self, presented: str, successor: str, *, idle_since: int, ending: Ending
    ) -> tuple[User, Session]:
        """Replace a refresh token under a lock on the session's row.

        If two requests use one token concurrently, the second request is a reuse.
        """
        now = ending.at
        with self._database.transaction() as connection:
            row = _locked(connection, presented)
            used_at, suspended_at, disabled_at, ended_at = row[:4]
            session, user = Session(*row[4:12]), user_of(row[12:])
            if used_at is None:
                over = ended_at is not None or disabled_at is not None
                if over or session.expires_at <= now or session.used_at <= idle_since:
                    raise RefreshUnknown
                if suspended_at is not None:
                    raise RefreshSuspended(session.tenant)
                _replace(connection, presented, successor, session.id, now)
            elif _end(connection, session.id, now):
                publish(connection, session.tenant, [session.id], ending)
        # Raised after the commit, since the session must stay ended.
        if used_at is not None:
            raise RefreshReused(session.id)
        return user, session

    def end_session(self, user: str, session: str, ending: Ending) -> bool:
        """End the session if it belongs to this user, so that no user ends another's session."""
        return self._end_one("WHERE s.id = ? AND s.user_id = ?", (session, user), ending)

    def end_by_refresh(self, presented: str, ending: Ending) -> bool:
        """End the session of a refresh token; a used token ends it too."""
        where = "JOIN refresh_tokens r ON r.session = s.id WHERE r.hash = ?"
        return self._end_one(where, (presented,), ending)

    def _end_one(self, where: str, parameters: tuple[str, ...], ending: Ending) -> bool:
        with self._database.transaction() as connection:
            row = connection.row(f"{_ONE} {where}", parameters)
            if row is None or not _end(connection, row[0], ending.at):
                return False
            publish(connection, row[1], [row[0]], ending)
        return True


def _add_token(connection: Connection, token_hash: str, session: str, at: int) -> None:
    connection.execute(
        "INSERT INTO refresh_tokens (hash, session, created_at) VALUES (?, ?, ?)",
        (token_hash, session, at),
    )


def _locked(connection: Connection, presented: str) -> Row:
    connection.execute(
        "UPDATE sessions SET used_at = used_at "
        "WHERE id = (SELECT session FROM refresh_tokens WHERE hash = ?)",
        (presented,),
    )
    row = connection.row(_REFRESHING, (presented,))
    if row is None:
        raise RefreshUnknown
    return row


def _replace(
    connection: Connection, presented: str, successor: str, session: str, now: int
) -> None:
    connection.execute("UPDATE refresh_tokens SET used_at = ? WHERE hash = ?", (now, presented))
    connection.execute(
        "DELETE FROM refresh_tokens WHERE session = ? AND used_at IS NOT NULL AND hash NOT IN "
        "(SELECT hash FROM refresh_tokens WHERE session = ? AND used_at IS NOT NULL "
        "ORDER BY used_at DESC, hash LIMIT ?)",
        (session, session, _USED_KEPT),
    )
    _add_token(connection, successor, session, now)
    connection.execute("UPDATE sessions SET used_at = ? WHERE id = ?", (now, session))
