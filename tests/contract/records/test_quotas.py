"""Quotas of tenants: bytes and files are charged with a file and released with it."""

from __future__ import annotations

import threading
from typing import Any

import msgspec
import pytest

from servicekit.database import Database
from tests.servers.upload import faults_in_counts, new_file
from wharf_upload.database import file_changes
from wharf_upload.database.group_commit import GroupCommit
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.clock import now_milliseconds
from wharf_upload.domain.file_writes import Write
from wharf_upload.domain.files import File
from wharf_upload.domain.quotas import Quota, Usage
from wharf_upload.domain.refusals import QuotaExceeded
from wharf_upload.domain.tenant_limits import Limits


@pytest.fixture
def limited(database: Database) -> SqlRecords:
    """Return records in which the tenant `demo` may store 100 bytes in 3 files."""
    records = SqlRecords(database, quota=Quota(max_bytes=50, max_files=50, warning_percent=80))
    records.put_limits("demo", Limits(max_bytes=100, max_files=3))
    return records


def put(records: SqlRecords, *files: File, **how: Any) -> None:
    records.write(Write(files=files, **how))


def events(database: Database) -> list[tuple[str, str]]:
    rows = database.reading().rows(
        "SELECT kind, data FROM events WHERE tenant = 'demo' ORDER BY seq"
    )
    return [(row[0], row[1]) for row in rows]


def warnings(database: Database) -> list[dict[str, Any]]:
    return [msgspec.json.decode(data) for kind, data in events(database) if kind == "quota.warning"]


def test_the_last_byte_fits_and_no_more(limited: SqlRecords) -> None:
    """A file that fills the quota exactly is stored. One more byte is refused, and the
    refusal states all amounts.
    """
    put(limited, new_file("a", size=100))
    with pytest.raises(QuotaExceeded) as caught:
        put(limited, new_file("b", size=1))
    assert caught.value.numbers == {
        "used_bytes": 100,
        "limit_bytes": 100,
        "needed_bytes": 1,
        "used_files": 1,
        "limit_files": 3,
        "needed_files": 1,
    }
    assert limited.file("demo", "default", "b") is None
    assert limited.usage("demo") == Usage(bytes=100, files=1)


def test_empty_files_are_stopped_by_the_count(limited: SqlRecords) -> None:
    """Row 71: files without bytes use up the quota of files."""
    for key in ("a", "b", "c"):
        put(limited, new_file(key, size=0))
    with pytest.raises(QuotaExceeded):
        put(limited, new_file("d", size=0))
    assert limited.usage("demo") == Usage(bytes=0, files=3)


def test_a_replaced_file_gives_back_in_the_same_calculation(limited: SqlRecords) -> None:
    """A replacement counts only the difference in bytes, and is not an additional file."""
    put(limited, new_file("a", size=90))
    put(limited, new_file("a", size=100))
    with pytest.raises(QuotaExceeded):
        put(limited, new_file("a", size=101))
    put(limited, new_file("b", size=0), new_file("c", size=0))
    put(limited, new_file("c", size=0))
    assert limited.usage("demo") == Usage(bytes=100, files=3)


def test_a_deleted_file_gives_back_at_once(limited: SqlRecords) -> None:
    """After a deletion the next file of that size fits, before the bytes are swept."""
    put(limited, new_file("a", size=100))
    limited.delete("demo", "default", "a", None)
    put(limited, new_file("b", size=100))
    assert limited.usage("demo") == Usage(bytes=100, files=1)


def test_a_form_is_taken_whole_or_not(limited: SqlRecords) -> None:
    """If the files of one write together exceed the quota, none of them is stored."""
    with pytest.raises(QuotaExceeded):
        put(limited, *(new_file(key, size=40) for key in ("a", "b", "c")), on_conflict="rename")
    assert limited.usage("demo") == Usage(bytes=0, files=0)
    put(limited, *(new_file(key, size=30) for key in ("a", "b", "c")), on_conflict="rename")


def test_others_have_the_default(limited: SqlRecords) -> None:
    """A tenant without its own limits has the quota of the settings."""
    put(limited, new_file("a", tenant="other", size=50))
    with pytest.raises(QuotaExceeded):
        put(limited, new_file("b", tenant="other", size=1))


@pytest.mark.parametrize(
    ("limits", "first", "second"), [(Limits(max_bytes=10), 10, 0), (Limits(max_files=9), 5, 1)]
)
def test_what_is_not_set_is_the_default(
    database: Database, limits: Limits, first: int, second: int
) -> None:
    """A limit that is not set for the tenant is the limit of the settings, for
    bytes and for files.
    """
    records = SqlRecords(database, quota=Quota(max_bytes=5, max_files=1))
    records.put_limits("demo", limits)
    put(records, new_file("a", size=first))
    with pytest.raises(QuotaExceeded):
        put(records, new_file("b", size=second))


def test_no_quota_is_no_limit(database: Database) -> None:
    """Without limits of the tenant and of the settings, any file fits."""
    records = SqlRecords(database)
    put(records, new_file("a", size=1 << 60))
    assert records.usage("demo") == Usage(bytes=1 << 60, files=1)


def test_who_is_over_a_lowered_limit_may_shrink(limited: SqlRecords) -> None:
    """A tenant above a lowered limit may replace a file by a smaller one, but not
    by a larger one.
    """
    put(limited, new_file("a", size=100))
    limited.put_limits("demo", Limits(max_bytes=10, max_files=1))
    put(limited, new_file("a", size=60))
    with pytest.raises(QuotaExceeded):
        put(limited, new_file("a", size=61))


def test_a_refusal_harms_no_other_of_its_group(database: Database) -> None:
    """A group commit stores the changes that fit into the quota, and refuses only the others."""
    group = GroupCommit(database, quota=Quota(max_bytes=100))
    records = SqlRecords(database, quota=Quota(max_bytes=100))
    held = threading.Event()
    entered = threading.Event()

    def hold(*_: object) -> None:
        entered.set()
        held.wait(30)

    def lead() -> None:
        group.run("other", hold)
        database.close()

    first = threading.Thread(target=lead)
    first.start()
    assert entered.wait(30)
    outcomes: dict[str, str] = {}

    def store(key: str, tenant: str) -> None:
        try:
            group.run(
                tenant, file_changes.write(Write(files=(new_file(key, tenant=tenant, size=70),)))
            )
            outcomes[key] = "stored"
        except QuotaExceeded:
            outcomes[key] = "refused"
        finally:
            database.close()

    names = [("a", "demo"), ("b", "demo"), ("c", "third"), ("d", "demo")]
    threads = [threading.Thread(target=store, args=name) for name in names]
    for thread in threads:
        thread.start()
    held.set()
    for thread in [first, *threads]:
        thread.join(60)
    assert sorted(outcomes.values()) == ["refused", "refused", "stored", "stored"]
    assert outcomes["c"] == "stored"
    assert records.usage("demo") == Usage(bytes=70, files=1)


def test_parallel_writers_cannot_pass_the_quota(limited: SqlRecords, database: Database) -> None:
    """Row 69: if 50 writes of two thirds of the quota run at the same time,
    exactly one is stored.
    """
    outcomes: list[bool] = []

    def store(number: int) -> None:
        try:
            put(limited, new_file(f"file-{number}", size=67))
            outcomes.append(True)
        except QuotaExceeded:
            outcomes.append(False)
        finally:
            database.close()

    threads = [threading.Thread(target=store, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(outcomes) == [False] * 49 + [True]
    assert limited.usage("demo") == Usage(bytes=67, files=1)
    assert faults_in_counts(database) == []


def test_expired_files_make_room(limited: SqlRecords, database: Database) -> None:
    """Before a quota refuses a write, the tenant's expired files are removed, with their events."""
    over = now_milliseconds() - 1
    put(limited, new_file("old", size=60, expires_at=over), new_file("kept", size=40))
    put(limited, new_file("new", size=50, created_at=over + 1))
    assert limited.file("demo", "default", "old") is None
    assert limited.usage("demo") == Usage(bytes=90, files=2)
    assert ("file.expired") in [kind for kind, _ in events(database)]
    with pytest.raises(QuotaExceeded):
        put(limited, new_file("more", size=11, created_at=over + 1))


def test_an_expired_file_under_the_same_key_is_given_back_once(limited: SqlRecords) -> None:
    """A file that takes the key of an expired file is new, and the expired
    file no longer counts.
    """
    over = now_milliseconds() - 1
    put(limited, new_file("a", size=100, expires_at=over))
    stored = limited.write(Write(files=(new_file("a", size=100, created_at=over + 1),)))
    assert stored.created == (True,)
    assert limited.usage("demo") == Usage(bytes=100, files=1)


def test_crossing_the_threshold_is_told_once(limited: SqlRecords, database: Database) -> None:
    """Each crossing of the 80 % threshold writes one event with the numbers."""
    put(limited, new_file("a", size=79))
    assert warnings(database) == []
    put(limited, new_file("b", size=1))
    told = {
        "crossed": ["bytes"],
        "percent": 80,
        "used_bytes": 80,
        "limit_bytes": 100,
        "used_files": 2,
        "limit_files": 3,
    }
    assert warnings(database) == [told]
    put(limited, new_file("b", size=2))
    assert len(warnings(database)) == 1
    limited.delete("demo", "default", "b", None)
    put(limited, new_file("b", size=21))
    assert len(warnings(database)) == 2
    put(limited, new_file("c", size=0))
    assert [warning["crossed"] for warning in warnings(database)] == [["bytes"]] * 2 + [["files"]]


def test_limits_are_kept_and_replaced(limited: SqlRecords) -> None:
    """Limits are stored for each tenant. Setting a tenant's limits replaces all of them."""
    assert limited.limits("demo") == Limits(max_bytes=100, max_files=3)
    everything = Limits(
        max_bytes=1,
        max_files=2,
        max_file_bytes=3,
        requests_per_minute=4,
        client_requests_per_minute=5,
        bytes_per_minute=6,
        concurrent_uploads=8,
    )
    limited.put_limits("demo", everything)
    assert limited.limits("demo") == everything
    limited.put_limits("demo", Limits(max_files=7))
    assert limited.limits("demo") == Limits(max_files=7)
    assert limited.limits("other") == Limits()
