"""Login tries, and the networks from which people have logged in.

The table of tries is unlogged: it is empty after a crash of the database. With SQLite the tries are
in a separate database file, which needs no migration.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from servicekit.networks import network_of

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Every database compares these ASCII texts byte by byte; see migration 0001.
ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
_NETWORKS = sa.table(
    "login_networks",
    *map(sa.column, ("user_id", "network", "tenant", "used_at")),
)
_AT_ONCE = 1000


def _fill() -> None:
    """Insert the networks of the existing sessions."""
    connection = op.get_bind()
    found: dict[tuple[str, str], tuple[str, int]] = {}
    for user, tenant, address, used_at in connection.execute(
        sa.text(
            "SELECT user_id, tenant, address, MAX(used_at) FROM sessions "
            "GROUP BY user_id, tenant, address"
        )
    ):
        key = (user, network_of(address))
        found[key] = (tenant, max(used_at, found.get(key, (tenant, 0))[1]))
    rows = [
        {"user_id": user, "network": network, "tenant": tenant, "used_at": used_at}
        for (user, network), (tenant, used_at) in found.items()
    ]
    for start in range(0, len(rows), _AT_ONCE):
        op.bulk_insert(_NETWORKS, rows[start : start + _AT_ONCE])


def upgrade() -> None:
    op.create_table(
        "login_networks",
        # The table has no foreign key: an earlier release deletes users, and does not know this
        # table.
        sa.Column("user_id", ID, primary_key=True),
        sa.Column("network", ID, primary_key=True),
        sa.Column("tenant", ID, nullable=False),
        sa.Column("used_at", sa.BigInteger, nullable=False),
    )
    op.create_index("login_networks_by_tenant", "login_networks", ["tenant"])
    op.create_index("login_networks_by_use", "login_networks", ["used_at"])
    _fill()
    if op.get_context().dialect.name != "postgresql":
        return
    op.create_table(
        "login_tries",
        sa.Column("account", ID, primary_key=True),
        sa.Column("network", ID, primary_key=True),
        sa.Column("failures", sa.BigInteger, nullable=False),
        sa.Column("failed_at", sa.BigInteger, nullable=False),
        prefixes=("UNLOGGED",),
    )
    op.create_index("login_tries_by_network", "login_tries", ["network", "failed_at"])


def downgrade() -> None:
    op.drop_table("login_networks")
    if op.get_context().dialect.name == "postgresql":
        op.drop_table("login_tries")
