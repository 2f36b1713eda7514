"""Add the number of uses of each upload ticket."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _name() -> sa.String:
    return sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the table; `ticket` is the token's `jti`, `expires_at` is in unix milliseconds."""
    op.create_table(
        "ticket_uses",
        sa.Column("tenant", _name(), primary_key=True),
        sa.Column("ticket", _name(), primary_key=True),
        sa.Column("uses", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    # The worker searches for rows of expired tickets.
    op.create_index("ticket_uses_expires_at", "ticket_uses", ["expires_at"])


def downgrade() -> None:
    """Drop the table; valid tickets can then be used again from the beginning."""
    op.drop_table("ticket_uses")
