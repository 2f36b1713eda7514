"""Add webhooks: endpoints that hear a tenant's events, and the log of their deliveries."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def _name() -> sa.String:
    return sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables."""
    _create_endpoints()
    _create_deliveries()


def _create_endpoints() -> None:
    op.create_table(
        "endpoints",
        sa.Column("tenant", _name(), primary_key=True),
        sa.Column("id", _name(), primary_key=True),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        # In JSON: domain.webhooks.EventFilter.
        sa.Column("filter", sa.Text, nullable=False),
        # In JSON: one or two sealed signing secrets.
        sa.Column("secrets", sa.Text, nullable=False),
        sa.Column("ordered", sa.SmallInteger, nullable=False),
        sa.Column("state", _name(), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        # The number of the last event that was read for this endpoint.
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("failing_since", sa.BigInteger),
        # The most deliveries under way.
        sa.Column("room", sa.Integer, nullable=False),
        sa.Column("gap_at", sa.BigInteger),
        # In JSON: the replay under way, if any.
        sa.Column("replay", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    active = sa.text("state = 'active'")
    op.create_index(
        "endpoints_active",
        "endpoints",
        ["tenant", "id", "position"],
        postgresql_where=active,
        sqlite_where=active,
    )


def _create_deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("tenant", _name(), primary_key=True),
        sa.Column("endpoint", _name(), primary_key=True),
        # The number of the event; tests have numbers below 0.
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", _name(), nullable=False),
        sa.Column("state", _name(), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("milliseconds", sa.Integer, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        # The beginning of the receiver's last answer.
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("tried_at", sa.BigInteger),
        sa.Column("next_at", sa.BigInteger),
    )
    # The service counts open deliveries, and clients list the failed ones.
    op.create_index("deliveries_by_state", "deliveries", ["tenant", "endpoint", "state", "seq"])
    op.create_index("deliveries_old", "deliveries", ["created_at"])


def downgrade() -> None:
    """Drop the tables; no endpoint receives events then."""
    op.drop_table("deliveries")
    op.drop_table("endpoints")
