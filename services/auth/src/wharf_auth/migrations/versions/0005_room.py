"""The sizes of lists of grants, and triggers that let pruning remove lines of the audit log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TABLES = ("users", "clients", "member_groups")
_REFUSED = "the audit log is append-only"
_SQLITE_TRIGGER = """
CREATE TRIGGER audit_keeps_DELETE BEFORE DELETE ON audit {when}
BEGIN SELECT RAISE(ABORT, '{refused}'); END
"""
_UNLESS_PRUNING = "WHEN (SELECT pruning FROM latest) = 0"
_FUNCTION = "CREATE OR REPLACE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS"
_BODY = "$$ BEGIN {unless_pruning} RAISE EXCEPTION '{refused}'; END $$"
_UNLESS_PRUNING_THERE = (
    "IF TG_OP = 'DELETE' AND (SELECT pruning FROM latest) <> 0 THEN RETURN NULL; END IF;"
)


def _allow_pruning(unless: str, unless_there: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"{_FUNCTION} {_BODY.format(unless_pruning=unless_there, refused=_REFUSED)}")
        return
    op.execute("DROP TRIGGER audit_keeps_DELETE")
    op.execute(_SQLITE_TRIGGER.format(when=unless, refused=_REFUSED))


def upgrade() -> None:
    is_postgres = op.get_bind().dialect.name == "postgresql"
    for table in _TABLES:
        with op.batch_alter_table(table) as changed:
            # The size of `grants` as in the feed. An earlier release does not update this column.
            changed.add_column(
                sa.Column("grant_bytes", sa.BigInteger, nullable=False, server_default="0")
            )
        length = "OCTET_LENGTH(grants)" if is_postgres else "LENGTH(CAST(grants AS BLOB))"
        op.execute(f"UPDATE {table} SET grant_bytes = {length} WHERE grants IS NOT NULL")  # noqa: S608 -- names of tables
        some = sa.text("grant_bytes > 0")
        op.create_index(
            f"{table}_by_grant_bytes",
            table,
            ["tenant", "grant_bytes"],
            postgresql_where=some,
            sqlite_where=some,
        )
    with op.batch_alter_table("latest") as latest:
        # The value is 1 only inside a transaction that prunes the audit log. Other transactions
        # read 0.
        latest.add_column(sa.Column("pruning", sa.Integer, nullable=False, server_default="0"))
    _allow_pruning(_UNLESS_PRUNING, _UNLESS_PRUNING_THERE)


def downgrade() -> None:
    _allow_pruning("", "")
    with op.batch_alter_table("latest") as latest:
        latest.drop_column("pruning")
    for table in _TABLES:
        op.drop_index(f"{table}_by_grant_bytes", table)
        with op.batch_alter_table(table) as changed:
            changed.drop_column("grant_bytes")
