"""Tenants, clients and their secrets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Names and ids are ASCII. Every database compares them byte by byte, even a PostgreSQL with the
# collation of a language: cursors of pages need the same order everywhere.
ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "tenants",
        sa.Column("name", ID, primary_key=True),
        sa.Column("display_name", sa.Text, nullable=False),
        # Unix milliseconds, as all times.
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("suspended_at", sa.BigInteger),
    )
    op.create_table(
        "clients",
        sa.Column("id", ID, primary_key=True),
        sa.Column("tenant", ID, sa.ForeignKey("tenants.name"), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("disabled_at", sa.BigInteger),
    )
    op.create_index("clients_by_tenant", "clients", ["tenant", "id"])
    op.create_table(
        "client_secrets",
        sa.Column("id", ID, primary_key=True),
        sa.Column("client", ID, sa.ForeignKey("clients.id"), nullable=False),
        sa.Column("hint", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("retired_at", sa.BigInteger),
    )
    op.create_index("client_secrets_by_client", "client_secrets", ["client"])


def downgrade() -> None:
    op.drop_table("client_secrets")
    op.drop_table("clients")
    op.drop_table("tenants")
