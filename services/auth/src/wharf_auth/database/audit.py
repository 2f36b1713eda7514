"""The audit log in SQL. Triggers refuse to change or remove a line (migration 0002)."""

from __future__ import annotations

from servicekit.database import Connection, Database, Row
from wharf_auth.domain.acts import Act, Actor, AuditedAct

_AUDITED = (
    "SELECT seq, actor, actor_tenant, address, request_id, act, tenant, object, at, outcome "
    "FROM audit"
)


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


class SqlAudit:
    """Implements `AuditRecords`."""

    def __init__(self, database: Database) -> None:
        self._database = database

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
