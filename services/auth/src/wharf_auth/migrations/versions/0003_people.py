"""Users, their sessions and refresh tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Every database compares these ASCII texts byte by byte; see migration 0001.
ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", ID, primary_key=True),
        sa.Column("tenant", ID, sa.ForeignKey("tenants.name"), nullable=False),
        sa.Column("username", sa.Text, nullable=False),
        # The folded name, for comparisons: two spellings with the same folded name are one user.
        sa.Column("folded", sa.Text, nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("password_changed_at", sa.BigInteger, nullable=False),
        sa.Column("disabled_at", sa.BigInteger),
    )
    op.create_index("users_by_name", "users", ["tenant", "folded"], unique=True)
    op.create_index("users_by_tenant", "users", ["tenant", "id"])
    op.create_table(
        "sessions",
        sa.Column("id", ID, primary_key=True),
        sa.Column("user_id", ID, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("tenant", ID, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        # The time of the login or of the last refresh.
        sa.Column("used_at", sa.BigInteger, nullable=False),
        # The latest possible end. If the session is ended earlier, it is the time of that end.
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("user_agent", sa.Text, nullable=False),
    )
    op.create_index("sessions_by_user", "sessions", ["user_id", "id"])
    op.create_index("sessions_by_expiry", "sessions", ["expires_at"])
    op.create_table(
        "refresh_tokens",
        # SHA-256 in hexadecimal. The rows of used tokens stay: a second use shows a stolen token.
        sa.Column("hash", ID, primary_key=True),
        sa.Column("session", ID, sa.ForeignKey("sessions.id"), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("used_at", sa.BigInteger),
    )
    op.create_index("refresh_tokens_by_session", "refresh_tokens", ["session"])


def downgrade() -> None:
    op.drop_table("refresh_tokens")
    op.drop_table("sessions")
    op.drop_table("users")
