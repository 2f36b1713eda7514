"""The audit log in SQL.

Triggers in the database refuse every change of a line. They also refuse the removal of a line,
except while the log is pruned (migrations 0002 and 0005).
"""

from __future__ import annotations

from servicekit.database import Connection, Row
from wharf_auth.database.room import HasLimits
from wharf_auth.domain.acts import Act, Actor, AuditedAct

_AUDITED = (
    "SELECT seq, actor, actor_tenant, address, request_id, act, tenant, object, at, outcome "
    "FROM audit"
)
# How many lines one transaction removes, and how many transactions one call of pruning has.
_REMOVED_AT_ONCE, _TRANSACTIONS = 1000, 50
_OLD = (
    "SELECT seq FROM (SELECT seq, at FROM audit ORDER BY seq LIMIT ?) oldest "
    "WHERE at < ? ORDER BY seq"
)
# The newest line of a tenant beyond its limit. This line and all older lines are removed.
_BEYOND = "SELECT seq FROM audit WHERE tenant = ? ORDER BY seq DESC LIMIT 1 OFFSET ?"
_OF_LATER_LINES = "SELECT DISTINCT tenant FROM audit WHERE seq > ?"
# A line about no tenant is about the installation.
_ALL_TENANTS = "SELECT name FROM tenants UNION ALL SELECT ''"
_UP_TO = "SELECT seq FROM audit WHERE tenant = ? AND seq <= ? ORDER BY seq LIMIT ?"


def _audited(row: Row) -> AuditedAct:
    return AuditedAct(row[0], Act(Actor(*row[1:5]), *row[5:]))


def append(connection: Connection, *acts: Act) -> None:
    """Add lines as the last statements of a transaction; lock the row of the latest numbers."""
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
    """The SQL implementation of `AuditRecords`."""

    def note(self, act: Act) -> None:
        """Add one line in a separate transaction."""
        with self._database.transaction() as connection:
            append(connection, act)

    def audit(self, *, after: int, limit: int, tenant: str | None = None) -> list[AuditedAct]:
        """Read a page, the oldest lines first."""
        condition, parameters = ("", ()) if tenant is None else (" AND tenant = ?", (tenant,))
        rows = self._database.reading().rows(
            f"{_AUDITED} WHERE seq > ?{condition} ORDER BY seq LIMIT ?", (after, *parameters, limit)
        )
        return [_audited(row) for row in rows]

    def audit_before(
        self, *, before: int, limit: int, tenant: str | None = None
    ) -> list[AuditedAct]:
        """Read a page, the newest lines first."""
        condition, parameters = ("", ()) if tenant is None else (" AND tenant = ?", (tenant,))
        rows = self._database.reading().rows(
            f"{_AUDITED} WHERE seq < ?{condition} ORDER BY seq DESC LIMIT ?",
            (before, *parameters, limit),
        )
        return [_audited(row) for row in rows]

    def prune_audit(self, *, after: int, older_than: int) -> int:
        """Remove old lines and lines above the limit; see the contract for `after`."""
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
        """Remove the lines that a query finds, in up to `left` transactions.

        Return the number of transactions that the call may still use.
        """
        while left and self._database.reading().row(query, parameters):
            with self._database.transaction() as connection:
                # This locks the row of the latest numbers: until the commit no other transaction
                # adds a line. The value 1 lets the trigger accept the deletion.
                connection.execute("UPDATE latest SET pruning = 1")
                found = connection.rows(query, parameters)
                connection.execute_many("DELETE FROM audit WHERE seq = ?", found)
                connection.execute("UPDATE latest SET pruning = 0")
            left -= 1
            if len(found) < _REMOVED_AT_ONCE:
                break
        return left
