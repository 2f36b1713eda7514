"""Add leases for all replicas: one writer for a resumable upload, one worker that sweeps."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def _name() -> sa.String:
    return sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "leases",
        sa.Column("name", _name(), primary_key=True),
        sa.Column("holder", _name(), nullable=False),
        # The previous holder. A process reads it to find out whether another one had the lease.
        sa.Column("previous", _name(), nullable=False),
        # Counts the turns, so the holder of an earlier turn cannot change a later one.
        sa.Column("turn", sa.BigInteger, nullable=False),
        sa.Column("held", sa.Integer, nullable=False),
        sa.Column("wanted", sa.Integer, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    # Each holder searches twice a second for its leases and for those that others want.
    op.create_index("leases_holder", "leases", ["holder", "held"])
    # The worker searches for leases that no process has renewed for a day.
    op.create_index("leases_expires_at", "leases", ["expires_at"])


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("leases")
