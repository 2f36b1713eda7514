"""Leases that hold over all replicas: who writes to a resumable upload, whose worker sweeps."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def _name() -> sa.String:
    return sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "leases",
        sa.Column("name", _name(), primary_key=True),
        sa.Column("holder", _name(), nullable=False),
        # Who had it before; who asks whether others have been there wants to know.
        sa.Column("previous", _name(), nullable=False),
        # Counts the takings: who had it in an earlier turn changes nothing in a later one.
        sa.Column("turn", sa.BigInteger, nullable=False),
        sa.Column("held", sa.Integer, nullable=False),
        sa.Column("wanted", sa.Integer, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    # For each holder twice a second: what is still mine, and wanted by others?
    op.create_index("leases_holder", "leases", ["holder", "held"])
    # For the worker: of which has nobody heard for a day?
    op.create_index("leases_expires_at", "leases", ["expires_at"])


def downgrade() -> None:
    """Takes it away."""
    op.drop_table("leases")
