"""Take event numbers from the clock instead of a counter that all tenants share.

A shared counter shows a tenant how many events other tenants have. Existing numbers stay; they are
smaller than any number from the clock.
"""

import time

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

# The earlier release inserts events without a number, so a trigger sets it. A process that inserts
# an event has locked the tenant's row in `usage`, so `max(seq)` cannot change in between.
_FUNCTION = """
CREATE FUNCTION wharf_number_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.seq := GREATEST(
    (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
    (SELECT max(seq) + 1 FROM events WHERE tenant = NEW.tenant)
  );
  RETURN NEW;
END $$
"""
_TRIGGER = """
CREATE TRIGGER wharf_number_event BEFORE INSERT ON events
FOR EACH ROW WHEN (NEW.seq = 0) EXECUTE FUNCTION wharf_number_event()
"""


def upgrade() -> None:
    """Store the time of the change if events exist; number events that an earlier release inserts.

    On SQLite no trigger is needed: SQLite itself gives these events numbers that are larger than
    all others.
    """
    if op.get_bind().dialect.name == "postgresql":
        # First, because it needs the strongest lock: a lock that is upgraded later may deadlock.
        op.alter_column("events", "seq", server_default="0")
        op.execute(_FUNCTION)
        op.execute(_TRIGGER)
    changed = op.create_table(
        "event_numbers",
        sa.Column("changed_at", sa.BigInteger, primary_key=True, autoincrement=False),
    )
    if op.get_bind().scalar(sa.text("SELECT 1 FROM events LIMIT 1")):
        op.bulk_insert(changed, [{"changed_at": time.time_ns() // 1_000_000}])


def downgrade() -> None:
    """Restore the counter; it continues after the numbers from the clock."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER wharf_number_event ON events")
        op.execute("DROP FUNCTION wharf_number_event")
        op.execute(
            "SELECT setval('events_seq_seq', (SELECT COALESCE(max(seq), 0) + 1 FROM events), false)"
        )
        op.alter_column("events", "seq", server_default=sa.text("nextval('events_seq_seq')"))
    op.drop_table("event_numbers")
