"""Up to which number a tenant's events are gone: readers that were slower are told."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0010"


def upgrade() -> None:
    """Adds the column; 0: nobody knows of any."""
    op.add_column(
        "usage", sa.Column("events_dropped", sa.BigInteger, nullable=False, server_default="0")
    )


def downgrade() -> None:
    """Takes it away."""
    op.drop_column("usage", "events_dropped")
