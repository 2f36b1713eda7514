"""Make the tenant the first column of the primary key of events, on PostgreSQL."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Replace the primary key on PostgreSQL.

    With an index on the numbers alone, PostgreSQL reads events of other tenants to find the first
    event of a tenant. No query needs that index. On SQLite the index is the table itself, and
    SQLite does not use it for such queries.
    """
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint("events_pkey", "events")
        op.drop_index("events_tenant", "events")
        op.create_primary_key("events_pkey", "events", ["tenant", "seq"])


def downgrade() -> None:
    """Restore the primary key and the index of 0001."""
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint("events_pkey", "events")
        op.create_primary_key("events_pkey", "events", ["seq"])
        op.create_index("events_tenant", "events", ["tenant", "seq"])
