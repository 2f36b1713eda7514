"""Without a shared folder the bytes of an upload so far are on the disk of one replica."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Adds the column; empty: in the shared folder, as the releases before have it."""
    op.add_column("uploads", sa.Column("replica", sa.String, nullable=False, server_default=""))


def downgrade() -> None:
    """Takes it away."""
    op.drop_column("uploads", "replica")
