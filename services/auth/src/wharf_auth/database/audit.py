"""The audit log in SQL. Triggers refuse to change or remove a line (migrations 0002 and 0005)."""

from __future__ import annotations

from servicekit.database import Connection, Row
from wharf_auth.database.room import HasLimits
from wharf_auth.domain.acts import Act, Actor, AuditedAct

_AUDITED = (
    "SELECT seq, actor, actor_tenant, address, request_id, act, tenant, object, at, outcome "
    "FROM audit"
)
# Lines that one transaction removes, and transactions of one call.
_REMOVED_AT_ONCE, _TRANSACTIONS = 1000, 50
_OLD = (
    "SELECT seq FROM (SELECT seq, at FROM audit ORDER BY seq LIMIT ?) oldest "
    "WHERE at < ? ORDER BY seq"
)
# The first line that is one too many, counted from the newest, and those before it.
_BEYOND = "SELECT seq FROM audit WHERE tenant = ? ORDER BY seq DESC LIMIT 1 OFFSET ?"
_OF_LATER_LINES = "SELECT DISTINCT tenant FROM audit WHERE seq > ?"
# A line about no tenant is about the installation.
_ALL_TENANTS = "SELECT name FROM tenants UNION ALL SELECT ''"
_UP_TO = "SELECT seq FROM audit WHERE tenant = ? AND seq <= ? ORDER BY seq LIMIT ?"


def _audited(row: Row) -> AuditedAct:
    return AuditedAct(row[0], Act(Actor(*row[1:5]), *row[5:]))


def append(connection: Connection, *acts: Act) -> None:
    """Adds lines within a transaction, as its last statements: the numbers' row is held."""
    ((last,),) = connection.rows(
        "UPDATE latest SET audit = audit + ? RETURNING audit", (len(acts),)
    )
    connection.execute_many(
        "INSERT INTO audit (seq, at, actor, actor_tenant, address, request_id, act, tenant, "
        "object, outcome) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (seq, act.at, *_who(act.by), act.act, act.tenant, act.about, act.outcome)
            for seq, act in enumerate(acts, last - len(acts) + 1)
        ],
    )


def _who(by: Actor) -> tuple[str, str, str, str]:
    return (by.id, by.tenant, by.address, by.request_id)


class SqlAudit(HasLimits):
    """Implements `AuditRecords`."""

    def note(self, act: Act) -> None:
        """A line of its own."""
        with self._database.transaction() as connection:
            append(connection, act)

    def audit(self, *, after: int, limit: int, tenant: str | None = None) -> list[AuditedAct]:
        """Reads a page."""
        condition, parameters = ("", ()) if tenant is None else (" AND tenant = ?", (tenant,))
        rows = self._database.reading().rows(
            f"{_AUDITED} WHERE seq > ?{condition} ORDER BY seq LIMIT ?", (after, *parameters, limit)
        )
        return [_audited(row) for row in rows]

    def audit_before(
        self, *, before: int, limit: int, tenant: str | None = None
    ) -> list[AuditedAct]:
        """Reads a page from its end."""
        condition, parameters = ("", ()) if tenant is None else (" AND tenant = ?", (tenant,))
        rows = self._database.reading().rows(
            f"{_AUDITED} WHERE seq < ?{condition} ORDER BY seq DESC LIMIT ?",
            (before, *parameters, limit),
        )
        return [_audited(row) for row in rows]

    def prune_audit(self, *, after: int, older_than: int) -> int:
        """Goes over the lines past `after` again where there is more to remove than it may."""
        reading = self._database.reading()
        ((latest,),) = reading.rows("SELECT audit FROM latest")
        tenants = reading.rows(_OF_LATER_LINES, (after,)) if after else reading.rows(_ALL_TENANTS)
        left = self._remove(_OLD, (_REMOVED_AT_ONCE, older_than), _TRANSACTIONS)
        for (tenant,) in tenants:
            beyond = reading.row(_BEYOND, (tenant, self._limits.audit_lines))
            if beyond is not None:
                left = self._remove(_UP_TO, (tenant, *beyond, _REMOVED_AT_ONCE), left)
        return int(latest) if left else after

    def _remove(self, query: str, parameters: tuple[object, ...], left: int) -> int:
        """Remove the lines that a query finds; return how many transactions are left to do so."""
        while left and self._database.reading().row(query, parameters):
            with self._database.transaction() as connection:
                # Holds the numbers' row, so that nobody adds a line meanwhile or sees the mark.
                connection.execute("UPDATE latest SET pruning = 1")
                found = connection.rows(query, parameters)
                connection.execute_many("DELETE FROM audit WHERE seq = ?", found)
                connection.execute("UPDATE latest SET pruning = 0")
            left -= 1
            if len(found) < _REMOVED_AT_ONCE:
                break
        return left
