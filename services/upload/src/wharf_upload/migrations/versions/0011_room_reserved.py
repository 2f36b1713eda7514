"""What is reserved for bodies under way. With SQLite it is in a file of its own, which needs none.

The tables are unlogged: after a crash of the database nothing is under way.
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
    """Makes the tables."""
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
    """Takes them away."""
    if op.get_context().dialect.name == "postgresql":
        op.drop_table("room_reserved")
        op.drop_table("bodies_under_way")
