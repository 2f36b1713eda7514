"""Add rows of signed links, so operators and clients can list and end single links."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def _name() -> sa.String:
    return sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the table; links of earlier releases have no row and stay valid until they expire."""
    op.create_table(
        "links",
        sa.Column("tenant", _name(), primary_key=True),
        sa.Column("id", _name(), primary_key=True),
        sa.Column("bucket", _name(), nullable=False),
        # A key, or with `is_prefix` a prefix of keys.
        sa.Column("target", _name(), nullable=False),
        sa.Column("is_prefix", sa.SmallInteger, nullable=False),
        sa.Column("disposition", sa.Text, nullable=False),
        sa.Column("filename", sa.Text, nullable=False),
        sa.Column("maker", _name(), nullable=False),
        # The right by which the maker made the link, in JSON (servicekit.reaches.Maker).
        sa.Column("maker_right", sa.Text, nullable=False),
        # The ids of the token that made the link and of the token's parents, separated by blanks.
        sa.Column("tokens", sa.Text, nullable=False),
        # In unix milliseconds.
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("links_of_maker", "links", ["tenant", "maker", "id"])
    # The service searches for the links that show a file.
    op.create_index("links_of_target", "links", ["tenant", "bucket", "target"])
    op.create_index("links_expired", "links", ["expires_at"])


def downgrade() -> None:
    """Drop the table; links with a row are then invalid."""
    op.drop_table("links")
