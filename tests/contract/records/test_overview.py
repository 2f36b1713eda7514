"""What all tenants use, as metrics ask for it."""

from __future__ import annotations

import pytest

from servicekit.database import Database
from tests.servers.upload import new_file
from wharf_upload.database import overview
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.file_writes import Write
from wharf_upload.domain.quotas import Quota, TenantUsage
from wharf_upload.domain.tenant_limits import Limits


@pytest.fixture
def records(database: Database) -> SqlRecords:
    """Five tenants with a file each; one has a limit of its own, another one none of bytes."""
    found = SqlRecords(database, quota=Quota(max_bytes=1000, max_files=10))
    for number in range(5):
        file = new_file("a", tenant=f"team-{number}", size=100 * number)
        found.write(Write(files=(file,)))
    found.put_limits("team-3", Limits(max_bytes=400))
    return found


@pytest.mark.usefixtures("all_tenants")
@pytest.mark.parametrize("at_a_time", [1, 2, 5, 1000])
def test_all_tenants_are_there_once(
    records: SqlRecords, monkeypatch: pytest.MonkeyPatch, at_a_time: int
) -> None:
    """In whatever portions they are read; what is not set for a tenant is the default."""
    monkeypatch.setattr(overview, "_TENANTS_A_TIME", at_a_time)
    found = list(records.overview.usages())
    assert found == [
        TenantUsage(f"team-{number}", 100 * number, 1, 400 if number == 3 else 1000, 10)
        for number in range(5)
    ]


@pytest.mark.usefixtures("all_tenants")
def test_the_part_of_a_quota(records: SqlRecords) -> None:
    """The larger of the parts of bytes and of files; nothing of what has no limit."""
    parts = {usage.tenant: usage.part for usage in records.overview.usages()}
    assert parts == {
        "team-0": 0.1,
        "team-1": 0.1,
        "team-2": 0.2,
        "team-3": 0.75,
        "team-4": 0.4,
    }
    assert TenantUsage("x", 10**12, 10**9, None, None).part == 0
    assert TenantUsage("x", 1, 1, 0, None).part == 1


def test_without_uploads_nothing_is_reserved(records: SqlRecords) -> None:
    """No unfinished upload is none, and no bytes."""
    assert records.overview.unfinished() == (0, 0)
