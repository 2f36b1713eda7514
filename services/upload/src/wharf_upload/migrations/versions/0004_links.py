"""Keys of signed links, origins of other pages, and which files must never be shown."""

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
    """Makes the tables and the column."""
    op.create_table(
        "link_keys",
        sa.Column("tenant", _name(), primary_key=True),
        # 32 random bytes in hexadecimal digits.
        sa.Column("secret", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    # A preflight names no tenant: only the origin and, in the path, the bucket.
    op.create_table(
        "cors_origins",
        sa.Column("bucket", _name(), primary_key=True),
        sa.Column("origin", _name(), primary_key=True),
        sa.Column("tenant", _name(), primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_index("cors_origins_tenant", "cors_origins", ["tenant", "bucket"])
    # 1: the bytes hold what could act if a browser took them for something else.
    op.add_column("files", sa.Column("active", sa.SmallInteger, nullable=False, server_default="0"))


def downgrade() -> None:
    """Takes them away; all signed links are void then."""
    op.drop_column("files", "active")
    op.drop_table("cors_origins")
    op.drop_table("link_keys")
