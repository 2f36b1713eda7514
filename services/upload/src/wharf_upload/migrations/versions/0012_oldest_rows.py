"""Prepare limits for the number of rows.

The service deletes a tenant's oldest rows, and tells readers of events that events were deleted.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_ENDED = sa.text("file IS NOT NULL")


def upgrade() -> None:
    """Add `events_dropped` and the indexes that find a tenant's oldest rows.

    `events_dropped` is the largest number of a deleted event; 0 means that none was deleted.
    """
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
    # The service searches for a tenant's oldest idempotency key.
    op.create_index("idempotency_tenant", "idempotency", ["tenant", "created_at"])


def downgrade() -> None:
    """Drop the indexes and the column."""
    op.drop_index("idempotency_tenant", "idempotency")
    op.drop_index("uploads_ended", "uploads")
    op.drop_column("usage", "events_dropped")
