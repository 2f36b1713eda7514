"""Add to uploads the replica with their bytes on its disk, for replicas without a shared folder.

While an upload is under way, only this replica has its bytes.
"""

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
