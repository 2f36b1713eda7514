"""The feed of revocations in SQL."""

from __future__ import annotations

from servicekit.database import Connection, Database
from servicekit.revocations import Feed, Kind, Revocation, State
from wharf_auth.database import audit
from wharf_auth.domain.acts import Act


def append(
    connection: Connection,
    kind: Kind,
    state: State,
    *,
    tenant: str,
    thing: str = "",
    until: int | None = None,
    at: int,
) -> None:
    """Adds an entry about `thing` (a `jti`, `sid`, `sub`, or empty) within a transaction.

    It replaces the older entry about the same thing. To be called after all other changes of the
    transaction: from here on it holds the row of the latest numbers, so that numbers are committed
    in their order, and taking other locks after this one could end in a deadlock.
    """
    ((seq,),) = connection.rows("UPDATE latest SET feed = feed + 1 RETURNING feed")
    connection.execute(
        "DELETE FROM revocations WHERE tenant = ? AND kind = ? AND id = ?", (tenant, kind, thing)
    )
    connection.execute(
        "INSERT INTO revocations (seq, kind, tenant, id, state, until, at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (seq, kind, tenant, thing, state, until, at),
    )


class SqlFeed:
    """Implements `RevocationRecords`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def feed(self, *, after: int, limit: int) -> Feed:
        """One statement, so that `latest` is of the same moment as the entries."""
        rows = self._database.reading().rows(
            "SELECT l.feed, r.seq, r.kind, r.tenant, r.id, r.state, r.until, r.at "
            "FROM latest l LEFT JOIN revocations r ON r.seq > ? ORDER BY r.seq LIMIT ?",
            (after, limit),
        )
        entries = tuple(
            Revocation(seq=seq, kind=kind, tenant=tenant, id=thing, state=state, until=until, at=at)
            for _, seq, kind, tenant, thing, state, until, at in rows
            if seq is not None
        )
        return Feed(entries=entries, latest=rows[0][0])

    def prune_feed(self, now: int) -> int:
        """Needs no number: followers drop such entries by themselves."""
        if not self._database.reading().row(
            "SELECT 1 FROM revocations WHERE until < ? LIMIT 1", (now,)
        ):
            return 0
        with self._database.transaction() as connection:
            return connection.execute("DELETE FROM revocations WHERE until < ?", (now,))

    def revoke_token(
        self, tenant: str, token: str, until: int, act: Act, *, with_derived: bool = False
    ) -> None:
        """Looks first, so that repeating costs the followers nothing."""
        with self._database.transaction() as connection:
            if connection.row(
                "SELECT 1 FROM revocations WHERE tenant = ? AND kind = 'token' AND id = ?",
                (tenant, token),
            ):
                return
            kinds: tuple[Kind, ...] = ("token", "session") if with_derived else ("token",)
            for kind in kinds:
                append(
                    connection, kind, "revoked", tenant=tenant, thing=token, until=until, at=act.at
                )
            audit.append(connection, act)

    def revoked(self, tenant: str, *, token: str, session: str, subject: str) -> bool:
        """One statement of three looks into one index."""
        row = self._database.reading().row(
            "SELECT 1 FROM revocations WHERE tenant = ? AND state = 'revoked' AND ("
            "(kind = 'token' AND id = ?) OR (kind = 'session' AND id = ?) "
            "OR (kind = 'subject' AND id = ?)) LIMIT 1",
            (tenant, token, session, subject),
        )
        return row is not None
