"""How often upload tickets were used."""

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
    """`ticket` is the token's `jti`; `expires_at` is in unix milliseconds."""
    op.create_table(
        "ticket_uses",
        sa.Column("tenant", _name(), primary_key=True),
        sa.Column("ticket", _name(), primary_key=True),
        sa.Column("uses", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    # For the worker: which of them does nobody ask about any more?
    op.create_index("ticket_uses_expires_at", "ticket_uses", ["expires_at"])


def downgrade() -> None:
    """Tickets that are still good may then be used anew."""
    op.drop_table("ticket_uses")
