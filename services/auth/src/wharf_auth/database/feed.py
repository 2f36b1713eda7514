"""The feed of revocations in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from servicekit.database import Connection
from servicekit.reaches import ReachChange
from servicekit.revocations import Feed, Kind, Revocation, State
from wharf_auth.database import audit, room
from wharf_auth.domain.acts import Act

#: The most bytes of JSON in a page. A page with a single entry may have more.
_PAGE_BYTES = 1 << 20
#: The most bytes of an entry without its `reach`. A character of `reach` has up to four bytes.
_ENTRY_BYTES = 400
_reach_of = msgspec.json.Decoder(ReachChange).decode
_REVOKED = "SELECT 1 FROM revocations WHERE tenant = ? AND kind = 'token' AND id = ?"
_PAGE = (
    "SELECT l.feed, r.seq, r.kind, r.tenant, r.id, r.state, r.until, r.at, r.reach "
    "FROM latest l LEFT JOIN (SELECT p.*, SUM(p.bytes) OVER (ORDER BY p.seq) AS so_far "
    "FROM (SELECT *, ? + 4 * COALESCE(LENGTH(reach), 0) AS bytes "
    "FROM revocations WHERE seq > ? ORDER BY seq LIMIT ?) p) r "
    "ON r.so_far <= ? OR r.so_far = r.bytes ORDER BY r.seq"
)


class Entry(NamedTuple):
    """An entry about `thing` (a `jti`, `sid`, `sub`, the id of a group, or empty)."""

    kind: Kind
    state: State
    tenant: str
    thing: str = ""
    until: int | None = None
    at: int = 0
    reach: ReachChange | None = None


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
    """Append one entry to the feed within a transaction; see `append_all`."""
    append_all(connection, [Entry(kind, state, tenant, thing, until, at)])


def append_all(connection: Connection, entries: Sequence[Entry]) -> None:
    """Append entries to the feed within a transaction, each about a different `thing`.

    A new entry replaces the older entry about the same `thing`. Call this after all other changes
    of the transaction. The call locks the row of the latest numbers until the commit, so that
    entries are committed in the order of their numbers. A later lock could cause a deadlock.
    """
    if not entries:
        return
    ((last,),) = connection.rows(
        "UPDATE latest SET feed = feed + ? RETURNING feed", (len(entries),)
    )
    connection.execute_many(
        "DELETE FROM revocations WHERE tenant = ? AND kind = ? AND id = ?",
        [(entry.tenant, entry.kind, entry.thing) for entry in entries],
    )
    connection.execute_many(
        "INSERT INTO revocations (seq, kind, tenant, id, state, until, at, reach) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                seq,
                entry.kind,
                entry.tenant,
                entry.thing,
                entry.state,
                entry.until,
                entry.at,
                None if entry.reach is None else msgspec.json.encode(entry.reach).decode(),
            )
            for seq, entry in enumerate(entries, last - len(entries) + 1)
        ],
    )


class SqlFeed(room.HasLimits):
    """The SQL implementation of `RevocationRecords`."""

    def feed(self, *, after: int, limit: int) -> Feed:
        """Read entries and `latest` in one statement, so that they are consistent."""
        rows = self._database.reading().rows(_PAGE, (_ENTRY_BYTES, after, limit, _PAGE_BYTES))
        entries = tuple(
            Revocation(
                seq=seq,
                kind=kind,
                tenant=tenant,
                id=thing,
                state=state,
                until=until,
                at=at,
                reach=None if reach is None else _reach_of(reach),
            )
            for _, seq, kind, tenant, thing, state, until, at, reach in rows
            if seq is not None
        )
        return Feed(entries=entries, latest=rows[0][0])

    def prune_feed(self, now: int) -> int:
        """Delete expired entries.

        The deletion adds no entry to the feed: followers drop expired entries themselves.
        """
        if not self._database.reading().row(
            "SELECT 1 FROM revocations WHERE until < ? LIMIT 1", (now,)
        ):
            return 0
        with self._database.transaction() as connection:
            return connection.execute("DELETE FROM revocations WHERE until < ?", (now,))

    def revoke_token(
        self, tenant: str, token: str, until: int, act: Act, *, with_derived: bool = False
    ) -> None:
        """Revoke a token that is not revoked yet; a repeated call adds no entry to the feed."""
        if self._database.reading().row(_REVOKED, (tenant, token)):
            return
        room.require_entries(self._database, tenant, self._limits)
        with self._database.transaction() as connection:
            if connection.row(_REVOKED, (tenant, token)):
                return
            kinds: tuple[Kind, ...] = ("token", "session") if with_derived else ("token",)
            for kind in kinds:
                append(
                    connection, kind, "revoked", tenant=tenant, thing=token, until=until, at=act.at
                )
            audit.append(connection, act)

    def revoked(self, tenant: str, *, tokens: Sequence[str], session: str, subject: str) -> bool:
        """Check tokens, session and subject in one statement with one index."""
        marks = ", ".join("?" * len(tokens))
        row = self._database.reading().row(
            "SELECT 1 FROM revocations WHERE tenant = ? AND state = 'revoked' AND ("  # noqa: S608 -- marks
            f"(kind = 'token' AND id IN ({marks})) OR (kind = 'session' AND id = ?) "
            "OR (kind = 'subject' AND id = ?)) LIMIT 1",
            (tenant, *tokens, session, subject),
        )
        return row is not None
