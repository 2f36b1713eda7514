"""Add indexes of uploads under way, by tenant and by subject."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

# The indexes leave out uploads that have become files: their rows stay for a while and are many.
_UNFINISHED = sa.text("file IS NULL")


def upgrade() -> None:
    """Create the indexes."""
    for name, columns in (
        ("uploads_under_way", ["tenant", "id"]),
        ("uploads_under_way_of", ["tenant", "subject", "id"]),
    ):
        op.create_index(
            name, "uploads", columns, sqlite_where=_UNFINISHED, postgresql_where=_UNFINISHED
        )


def downgrade() -> None:
    """Drop the indexes."""
    op.drop_index("uploads_under_way_of", "uploads")
    op.drop_index("uploads_under_way", "uploads")
