"""What a tenant has most of: the oldest go, and readers of events are told that some are gone."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_ENDED = sa.text("file IS NOT NULL")


def upgrade() -> None:
    """Adds up to which number events are gone (0: none), and indexes of what is dropped first."""
    op.add_column(
        "usage", sa.Column("events_dropped", sa.BigInteger, nullable=False, server_default="0")
    )
    op.create_index(
        "uploads_ended",
        "uploads",
        ["tenant", "expires_at"],
        sqlite_where=_ENDED,
        postgresql_where=_ENDED,
    )
    # When does a tenant's oldest key end?
    op.create_index("idempotency_tenant", "idempotency", ["tenant", "created_at"])


def downgrade() -> None:
    """Takes them away."""
    op.drop_index("idempotency_tenant", "idempotency")
    op.drop_index("uploads_ended", "uploads")
    op.drop_column("usage", "events_dropped")
