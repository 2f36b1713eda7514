"""Add the reservations of bodies under way, on PostgreSQL.

With SQLite the reservations are in a separate file, which needs no migration. The tables are
unlogged, because no body is under way after a crash of the database.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
_UNLOGGED = ("UNLOGGED",)


def _name() -> sa.String:
    return sa.String(collation="C")


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)


def upgrade() -> None:
    """Create the tables."""
    if op.get_context().dialect.name != "postgresql":
        return
    op.create_table(
        "bodies_under_way",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("tenant", _name(), nullable=False),
        sa.Column("ticket", _name(), nullable=False),
        sa.Column("disk", _name(), nullable=False),
        sa.Column("instance", _name(), nullable=False),
        *map(_number, ("disk_bytes", "quota_bytes", "files", "inodes", "until")),
        prefixes=_UNLOGGED,
    )
    op.create_table(
        "room_reserved",
        sa.Column("tenant", _name(), primary_key=True),
        sa.Column("ticket", _name(), primary_key=True),
        sa.Column("disk", _name(), primary_key=True),
        *map(_number, ("disk_bytes", "quota_bytes", "files", "inodes", "bodies", "until")),
        prefixes=_UNLOGGED,
    )


def downgrade() -> None:
    """Drop the tables."""
    if op.get_context().dialect.name == "postgresql":
        op.drop_table("room_reserved")
        op.drop_table("bodies_under_way")
