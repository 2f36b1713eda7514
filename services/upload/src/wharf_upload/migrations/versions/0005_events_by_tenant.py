"""Events are found by their tenant, and only so."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """With an index of the numbers alone, PostgreSQL reads other tenants' events to find the first
    of one; it is of no other use. On SQLite it is the table itself, and not taken for that.
    """
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint("events_pkey", "events")
        op.drop_index("events_tenant", "events")
        op.create_primary_key("events_pkey", "events", ["tenant", "seq"])


def downgrade() -> None:
    """As it was in 0001."""
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint("events_pkey", "events")
        op.create_primary_key("events_pkey", "events", ["seq"])
        op.create_index("events_tenant", "events", ["tenant", "seq"])
