"""Add buckets, files, usage, events, pending deletions and idempotency keys.

Columns that are compared or sorted use the order of code points on both databases.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _name() -> sa.String:
    return sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "buckets",
        sa.Column("tenant", _name(), primary_key=True),
        sa.Column("name", _name(), primary_key=True),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "files",
        # SQLite stores the rows in the order of this key, so a listing reads neighbouring rows.
        sa.Column("tenant", _name(), primary_key=True),
        sa.Column("bucket", _name(), primary_key=True),
        sa.Column("key", _name(), primary_key=True),
        sa.Column("id", _name(), nullable=False),
        sa.Column("blob", _name(), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("declared_type", sa.Text),
        sa.Column("filename", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("metadata", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sqlite_with_rowid=False,
    )
    # The sweeper asks whether any row names a blob.
    op.create_index("files_blob", "files", ["blob"], unique=True)
    # The worker searches for expired files.
    op.create_index(
        "files_expires_at",
        "files",
        ["expires_at"],
        sqlite_where=sa.text("expires_at IS NOT NULL"),
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )
    op.create_table(
        "doomed",
        sa.Column("blob", _name(), primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("doomed_at", sa.BigInteger, nullable=False),
    )
    op.create_index("doomed_at", "doomed", ["doomed_at"])
    op.create_table(
        "usage",
        sa.Column("tenant", _name(), primary_key=True),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("files", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "events",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("tenant", _name(), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("file", sa.Text, nullable=False),
    )
    op.create_index("events_tenant", "events", ["tenant", "seq"])
    op.create_table(
        "idempotency",
        sa.Column("tenant", _name(), primary_key=True),
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("stored", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_index("idempotency_created_at", "idempotency", ["created_at"])


def downgrade() -> None:
    """Drop all tables."""
    for table in ("idempotency", "events", "usage", "doomed", "files", "buckets"):
        op.drop_table(table)
