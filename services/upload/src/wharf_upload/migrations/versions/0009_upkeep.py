"""What maintenance remembers: who copies the store, and up to which hour it was swept."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def _name() -> sa.String:
    return sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "collection_pauses",
        sa.Column("holder", _name(), primary_key=True),
        sa.Column("touched_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "swept_hours",
        # Of which store: after a move it is another one.
        sa.Column("place", _name(), primary_key=True),
        sa.Column("until", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Takes them away."""
    op.drop_table("swept_hours")
    op.drop_table("collection_pauses")
