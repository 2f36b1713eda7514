"""Add rows of jobs: work that the service does after the commit that asks for it."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def _name() -> sa.String:
    return sa.String().with_variant(sa.String(collation="C"), "postgresql")


def _columns() -> list[sa.Column[object]]:
    """Return the columns that a job has, whether it waits or is dead."""
    return [
        sa.Column("id", _name(), primary_key=True),
        sa.Column("lane", _name(), nullable=False),
        # Lanes are fair between shares: the tenant, or in the lane `webhook` the endpoint.
        sa.Column("share", _name(), nullable=False),
        sa.Column("tenant", _name(), nullable=False),
        # The object of the job, for example the id of a file.
        sa.Column("subject", _name(), nullable=False),
        # In unix milliseconds, by the database's clock.
        sa.Column("run_at", sa.BigInteger, nullable=False),
        # How often the job was taken. An older turn cannot end the job.
        sa.Column("turn", sa.Integer, nullable=False),
        # The turns that count as tries: without those that a handler did not count.
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        # Why the last try failed, in plain English.
        sa.Column("error", sa.Text, nullable=False),
    ]


def upgrade() -> None:
    """Create the tables of jobs that wait or run, and of dead jobs."""
    op.create_table("jobs", *_columns(), sa.Column("lease_until", sa.BigInteger))
    waiting, taken = sa.text("lease_until IS NULL"), sa.text("lease_until IS NOT NULL")
    op.create_index(
        "jobs_waiting",
        "jobs",
        ["lane", "share", "run_at"],
        postgresql_where=waiting,
        sqlite_where=waiting,
    )
    op.create_index(
        "jobs_taken", "jobs", ["lane", "lease_until"], postgresql_where=taken, sqlite_where=taken
    )
    op.create_index("jobs_tenant", "jobs", ["tenant", "id"])
    op.create_table("jobs_dead", *_columns(), sa.Column("died_at", sa.BigInteger, nullable=False))
    op.create_index("jobs_dead_of_lane", "jobs_dead", ["lane", "id"])
    op.create_index("jobs_dead_tenant", "jobs_dead", ["tenant", "id"])
    op.create_index("jobs_dead_old", "jobs_dead", ["died_at"])


def downgrade() -> None:
    """Drop the tables; work that was not done is then not done."""
    op.drop_table("jobs_dead")
    op.drop_table("jobs")
