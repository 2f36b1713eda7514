"""Uploads that are under way are found by their tenant, and by who sends them."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

# What has become a file stays for a while, and there is much more of it.
_UNFINISHED = sa.text("file IS NULL")


def upgrade() -> None:
    """Makes the indexes."""
    for name, columns in (
        ("uploads_under_way", ["tenant", "id"]),
        ("uploads_under_way_of", ["tenant", "subject", "id"]),
    ):
        op.create_index(
            name, "uploads", columns, sqlite_where=_UNFINISHED, postgresql_where=_UNFINISHED
        )


def downgrade() -> None:
    """Takes them away."""
    op.drop_index("uploads_under_way_of", "uploads")
    op.drop_index("uploads_under_way", "uploads")
