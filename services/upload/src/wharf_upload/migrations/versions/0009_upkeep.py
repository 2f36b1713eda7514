"""Add the state of maintenance: garbage collection pauses, and the hours that were swept."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def _name() -> sa.String:
    return sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "collection_pauses",
        sa.Column("holder", _name(), primary_key=True),
        sa.Column("touched_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "swept_hours",
        # Identifies the store, because a move of blobs changes the store.
        sa.Column("place", _name(), primary_key=True),
        sa.Column("until", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("swept_hours")
    op.drop_table("collection_pauses")
