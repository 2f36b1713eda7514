"""A purge removes all rows of a tenant and no row of another tenant."""

from __future__ import annotations

from servicekit.database import Database
from tests.contract.records.test_kept_links import kept
from tests.servers.unfinished import new_upload
from tests.servers.upload import faults_in_counts, new_file
from wharf_upload.database import purge
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.buckets import Bucket, Policy
from wharf_upload.domain.file_writes import Idempotency, TicketUse, Write
from wharf_upload.domain.jobs import NewJob
from wharf_upload.domain.tenant_limits import Limits
from wharf_upload.domain.webhooks import Endpoint, Secret

_LISTED = {*purge.LARGE, *purge.SMALL, *purge.OTHERWISE}
# Rows of bodies under way end automatically. With SQLite they are in another file.
_LAPSE = {"bodies_under_way", "room_reserved"}


def tables(database: Database) -> set[str]:
    """Return the tables with a column `tenant`."""
    if database.dialect == "sqlite":
        sql = (
            "SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c "
            "WHERE m.type = 'table' AND c.name = 'tenant'"
        )
    else:
        sql = (
            "SELECT table_name FROM information_schema.columns "
            "WHERE table_schema = 'public' AND column_name = 'tenant'"
        )
    return {row[0] for row in database.reading().rows(sql)}


def rows(database: Database, tenant: str) -> dict[str, int]:
    """Return the number of a tenant's rows in each table that has any."""
    connection = database.reading()
    counts = {
        table: connection.rows(f"SELECT count(*) FROM {table} WHERE tenant = ?", (tenant,))[0][0]
        for table in tables(database)
    }
    return {table: count for table, count in counts.items() if count}


def fill(records: SqlRecords, tenant: str) -> None:
    """Add rows of a tenant to every table."""
    policy = Policy(cors_origins=("https://a.example",))
    records.put_bucket(Bucket(tenant=tenant, name="photos", policy=policy, created_at=1))
    records.put_limits(tenant, Limits(max_files=100))
    records.link_key(tenant, create=True)
    kept(records, tenant=tenant)
    jobs = [NewJob(lane=f"of-{tenant}", tenant=tenant, subject="x") for _ in range(2)]
    records.jobs.add(jobs)
    (turn,) = records.jobs.take(f"of-{tenant}", {tenant: 1}, 60)
    job = records.jobs.begin(turn)
    assert job is not None
    records.jobs.bury(job, "why")
    endpoint = records.endpoints.add_endpoint(
        Endpoint(
            tenant=tenant,
            id=f"of-{tenant}",
            url="https://a.example",
            secrets=(Secret("sealed"),),
            position=0,
            created_at=1,
        ),
        20,
    )
    records.deliveries.add_test(endpoint, 1)
    for number in range(5):
        records.write(
            Write(
                files=(new_file(f"{number}", tenant=tenant, size=number),),
                idempotency=Idempotency(subject="c", key=f"{number}", fingerprint="x"),
                ticket=TicketUse(id=f"t{number}", max_files=1, expires_at=1 << 60),
            )
        )
    part = new_upload(4, tenant=tenant, concat="partial")
    records.uploads.create(part)
    records.uploads.create(new_upload(None, tenant=tenant, concat="final", parts=(part.id,)))
    records.delete(tenant, "default", "4", None)


def test_every_table_is_thought_of(database: Database) -> None:
    """The purge lists every table with a column `tenant`."""
    assert tables(database) - _LAPSE == _LISTED


def test_purge(records: SqlRecords, database: Database) -> None:
    """A purge removes all rows of a tenant in small steps, marks its blobs as pending deletions,
    and leaves rows of other tenants.
    """
    fill(records, "demo")
    fill(records, "other")
    before = rows(database, "other")
    assert before.keys() == _LISTED
    steps = 0
    while count := records.purge_tenant("demo", 2):
        assert count <= max(2, len(purge.SMALL))
        steps += 1
    assert steps > 5
    assert rows(database, "demo") == {"doomed": 5}
    assert rows(database, "other") == before
    assert records.purge_tenant("demo", 2) == 0
    assert faults_in_counts(database) == []


def test_purge_of_nobody(records: SqlRecords, database: Database) -> None:
    """A purge of a tenant without rows ends immediately and leaves no row."""
    assert records.purge_tenant("nobody", 10) == 0
    assert rows(database, "nobody") == {}
