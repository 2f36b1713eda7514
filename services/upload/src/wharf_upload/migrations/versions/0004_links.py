"""Add keys of signed links, origins of other pages, and the mark of active content."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _name() -> sa.String:
    return sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables and the column."""
    op.create_table(
        "link_keys",
        sa.Column("tenant", _name(), primary_key=True),
        # 32 random bytes in hexadecimal digits.
        sa.Column("secret", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    # The key begins with the bucket: a preflight request names the bucket and the origin, but no
    # tenant.
    op.create_table(
        "cors_origins",
        sa.Column("bucket", _name(), primary_key=True),
        sa.Column("origin", _name(), primary_key=True),
        sa.Column("tenant", _name(), primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_index("cors_origins_tenant", "cors_origins", ["tenant", "bucket"])
    # 1: the bytes contain active content, which a browser must not show inline.
    op.add_column("files", sa.Column("active", sa.SmallInteger, nullable=False, server_default="0"))


def downgrade() -> None:
    """Drop the column and the tables; all signed links are then invalid."""
    op.drop_column("files", "active")
    op.drop_table("cors_origins")
    op.drop_table("link_keys")
