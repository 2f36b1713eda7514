"""Signed links are kept, so that they can be listed and ended one by one."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def _name() -> sa.String:
    return sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Makes the table. Links of before have no row, and are good until they expire."""
    op.create_table(
        "links",
        sa.Column("tenant", _name(), primary_key=True),
        sa.Column("id", _name(), primary_key=True),
        sa.Column("bucket", _name(), nullable=False),
        # A key, or with `is_prefix` what keys begin with.
        sa.Column("target", _name(), nullable=False),
        sa.Column("is_prefix", sa.SmallInteger, nullable=False),
        sa.Column("disposition", sa.Text, nullable=False),
        sa.Column("filename", sa.Text, nullable=False),
        sa.Column("maker", _name(), nullable=False),
        # By what right, in JSON (servicekit.reaches.Maker).
        sa.Column("maker_right", sa.Text, nullable=False),
        # The ids of the token that it was made with and of that one's parents, with blanks between.
        sa.Column("tokens", sa.Text, nullable=False),
        # In unix milliseconds.
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("links_of_maker", "links", ["tenant", "maker", "id"])
    # Which links show this file?
    op.create_index("links_of_target", "links", ["tenant", "bucket", "target"])
    op.create_index("links_expired", "links", ["expires_at"])


def downgrade() -> None:
    """Takes it away; links with a row are void then."""
    op.drop_table("links")
