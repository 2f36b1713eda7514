"""Add resumable uploads, and the parts of each concatenation."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def _name() -> sa.String:
    return sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "uploads",
        sa.Column("id", _name(), primary_key=True),
        sa.Column("tenant", _name(), nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("bucket", _name(), nullable=False),
        sa.Column("key", _name(), nullable=False),
        sa.Column("length", sa.BigInteger),
        sa.Column("concat", sa.Text, nullable=False),
        sa.Column("options", sa.Text, nullable=False),
        sa.Column("discard_from", sa.BigInteger),
        sa.Column("reserved_bytes", sa.BigInteger, nullable=False),
        sa.Column("file", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    # The worker searches for expired uploads.
    op.create_index("uploads_expires_at", "uploads", ["expires_at"])
    # The purge of a tenant deletes its uploads.
    op.create_index("uploads_tenant", "uploads", ["tenant"])
    op.create_table(
        "upload_parts",
        sa.Column("tenant", _name(), primary_key=True),
        sa.Column("final", _name(), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("part", _name(), nullable=False),
    )
    # The service searches for the final uploads that wait for a part.
    op.create_index("upload_parts_part", "upload_parts", ["tenant", "part"])
    # Addresses of uploads name no bucket, so CORS checks for them search by the origin.
    op.create_index("cors_origins_origin", "cors_origins", ["origin", "tenant"])


def downgrade() -> None:
    """Drop the index and the tables."""
    op.drop_index("cors_origins_origin", "cors_origins")
    op.drop_table("upload_parts")
    op.drop_table("uploads")
