"""Grants of users and clients, groups, and the column of the feed for both."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Every database compares these ASCII texts byte by byte; see migration 0001.
ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")


def upgrade() -> None:
    for table in ("users", "clients"):
        with op.batch_alter_table(table) as changed:
            # JSON (`servicekit.grants.Compact`); null permits everything that the scopes allow.
            changed.add_column(sa.Column("grants", sa.Text))
            # Unix milliseconds that grow with each change of grants, scopes or groups. An earlier
            # release does not know this column and inserts rows without it.
            changed.add_column(
                sa.Column("reach_version", sa.BigInteger, nullable=False, server_default="0")
            )
    with op.batch_alter_table("revocations") as revocations:
        # JSON (`servicekit.reaches.ReachChange`) for the kinds `reach` and `group`.
        revocations.add_column(sa.Column("reach", sa.Text))
    op.create_table(
        "member_groups",
        sa.Column("id", ID, primary_key=True),
        sa.Column("tenant", ID, sa.ForeignKey("tenants.name"), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        # The folded name, for comparisons.
        sa.Column("folded", sa.Text, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("grants", sa.Text),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_index("member_groups_by_name", "member_groups", ["tenant", "folded"], unique=True)
    op.create_index("member_groups_by_tenant", "member_groups", ["tenant", "id"])
    op.create_table(
        "group_members",
        sa.Column("member_group", ID, sa.ForeignKey("member_groups.id"), primary_key=True),
        # The id of a user or client. It has no foreign key: an earlier release deletes users, and
        # does not know this table.
        sa.Column("subject", ID, primary_key=True),
        sa.Column("tenant", ID, sa.ForeignKey("tenants.name"), nullable=False),
        sa.Column("kind", ID, nullable=False),
    )
    op.create_index("group_members_by_subject", "group_members", ["subject"])


def downgrade() -> None:
    op.drop_table("group_members")
    op.drop_table("member_groups")
    with op.batch_alter_table("revocations") as revocations:
        revocations.drop_column("reach")
    for table in ("users", "clients"):
        with op.batch_alter_table(table) as changed:
            changed.drop_column("reach_version")
            changed.drop_column("grants")
