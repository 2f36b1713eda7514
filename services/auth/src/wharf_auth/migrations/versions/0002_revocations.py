"""The feed of revocations, deletion of tenants, the audit log."""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Every database compares these ASCII texts byte by byte; see migration 0001.
ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")

_REFUSED = "the audit log is append-only"
_SQLITE_TRIGGER = """
CREATE TRIGGER audit_keeps_{act} BEFORE {act} ON audit
BEGIN SELECT RAISE(ABORT, '{refused}'); END
"""
_POSTGRES_FUNCTION = f"""
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '{_REFUSED}'; END $$
"""
_POSTGRES_TRIGGER = """
CREATE TRIGGER audit_keeps_all BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()
"""


def upgrade() -> None:
    with op.batch_alter_table("tenants") as tenants:
        tenants.add_column(sa.Column("deleted_at", sa.BigInteger))
        # The end of the grace period, and the time when the tenant's data was deleted.
        tenants.add_column(sa.Column("purge_at", sa.BigInteger))
        tenants.add_column(sa.Column("purged_at", sa.BigInteger))
    op.create_index("tenants_by_purge", "tenants", ["purge_at"])
    # One row with the last used numbers. A transaction that takes a number locks the row until its
    # end, so numbers become visible in their order.
    op.create_table(
        "latest",
        sa.Column("feed", sa.BigInteger, nullable=False),
        sa.Column("audit", sa.BigInteger, nullable=False),
    )
    _create_revocations()
    _create_audit()
    _publish_what_is_in_force()


def _create_revocations() -> None:
    op.create_table(
        "revocations",
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", ID, nullable=False),
        sa.Column("tenant", ID, nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("state", ID, nullable=False),
        # Unix seconds, as in tokens; null if the entry never expires.
        sa.Column("until", sa.BigInteger),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("tenant", "kind", "id", name="revocations_by_thing"),
    )
    op.create_index("revocations_by_until", "revocations", ["until"])


def _create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", ID, nullable=False),
        sa.Column("actor_tenant", ID, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("act", sa.Text, nullable=False),
        sa.Column("tenant", ID, nullable=False),
        sa.Column("object", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
    )
    op.create_index("audit_by_tenant", "audit", ["tenant", "seq"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_POSTGRES_FUNCTION)
        op.execute(_POSTGRES_TRIGGER)
        return
    for act in ("UPDATE", "DELETE"):
        op.execute(_SQLITE_TRIGGER.format(act=act, refused=_REFUSED))


def _publish_what_is_in_force() -> None:
    """Add entries for tenants and clients that are suspended or disabled already."""
    connection = op.get_bind()
    now = int(time.time())
    entries = [
        {"kind": "tenant", "tenant": name, "id": "", "state": "suspended", "until": None}
        for (name,) in connection.execute(
            sa.text("SELECT name FROM tenants WHERE suspended_at IS NOT NULL ORDER BY name")
        )
    ]
    entries += [
        # The longest life of a token that the settings allow is a day; verifiers add their leeway.
        {
            "kind": "subject",
            "tenant": tenant,
            "id": client,
            "state": "revoked",
            "until": now + 24 * 3600 + 60,
        }
        for client, tenant in connection.execute(
            sa.text("SELECT id, tenant FROM clients WHERE disabled_at IS NOT NULL ORDER BY id")
        )
    ]
    for seq, entry in enumerate(entries, start=1):
        connection.execute(
            sa.text(
                "INSERT INTO revocations (seq, kind, tenant, id, state, until, at) "
                "VALUES (:seq, :kind, :tenant, :id, :state, :until, :at)"
            ),
            {"seq": seq, "at": now * 1000, **entry},
        )
    connection.execute(
        sa.text("INSERT INTO latest (feed, audit) VALUES (:feed, 0)"), {"feed": len(entries)}
    )


def downgrade() -> None:
    op.drop_table("audit")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_is_append_only()")
    op.drop_table("revocations")
    op.drop_table("latest")
    op.drop_index("tenants_by_purge", "tenants")
    with op.batch_alter_table("tenants") as tenants:
        for column in ("deleted_at", "purge_at", "purged_at"):
            tenants.drop_column(column)
