"""Add the replica whose disk has the bytes of an upload under way, without a shared folder."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the column; an empty value means the shared folder, as in earlier releases."""
    op.add_column("uploads", sa.Column("replica", sa.String, nullable=False, server_default=""))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("uploads", "replica")
