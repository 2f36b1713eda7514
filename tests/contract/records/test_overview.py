"""The usage of all tenants, as the metrics read it."""

from __future__ import annotations

import pytest

from servicekit.database import Database
from tests.servers.unfinished import end_of, new_upload
from tests.servers.upload import new_file
from wharf_upload.database import overview
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.file_writes import Write
from wharf_upload.domain.quotas import Quota, TenantUsage
from wharf_upload.domain.tenant_limits import Limits


@pytest.fixture
def records(database: Database) -> SqlRecords:
    """Return records of five tenants with one file each. Two tenants have their own limits."""
    found = SqlRecords(database, quota=Quota(max_bytes=1000, max_files=10))
    for number in range(5):
        file = new_file("a", tenant=f"{number}-team", size=100 * number)
        found.write(Write(files=(file,)))
    found.put_limits("3-team", Limits(max_bytes=400))
    found.put_limits("4-team", Limits(max_files=2))
    return found


@pytest.mark.usefixtures("all_tenants")
@pytest.mark.parametrize("at_a_time", [1, 2, 5, 1000])
def test_all_tenants_are_there_once(
    records: SqlRecords, monkeypatch: pytest.MonkeyPatch, at_a_time: int
) -> None:
    """All tenants are read once in any batch size, with the default for each limit that
    is not set.
    """
    monkeypatch.setattr(overview, "_TENANTS_A_TIME", at_a_time)
    found = list(records.overview.usages())
    assert found == [
        TenantUsage(
            tenant=f"{number}-team",
            used_bytes=100 * number,
            used_files=1,
            limit_bytes=400 if number == 3 else 1000,
            limit_files=2 if number == 4 else 10,
        )
        for number in range(5)
    ]


@pytest.mark.usefixtures("all_tenants")
def test_the_part_of_a_quota(records: SqlRecords) -> None:
    """The used part of a quota is the larger of the parts for bytes and for files. The part is 0
    without limits, and 1 for a limit of 0.
    """
    parts = {usage.tenant: usage.part for usage in records.overview.usages()}
    assert parts == {
        "0-team": 0.1,
        "1-team": 0.1,
        "2-team": 0.2,
        "3-team": 0.75,
        "4-team": 0.5,
    }
    assert TenantUsage("x", 10**12, 10**9, None, None).part == 0
    assert TenantUsage("x", 1, 1, 0, None).part == 1


@pytest.mark.usefixtures("all_tenants")
def test_unfinished_uploads(records: SqlRecords) -> None:
    """Unfinished uploads of all tenants are counted, with the bytes that they reserve."""
    finished = new_upload(50)
    for upload in (new_upload(10), new_upload(7, tenant="other"), new_upload(None), finished):
        records.uploads.create(upload)
    records.write(Write(files=(new_file("a.bin", size=50),), upload=end_of(finished)))
    assert records.overview.unfinished() == (3, 17)


def test_without_uploads_nothing_is_reserved(records: SqlRecords) -> None:
    """Without uploads, the count and the reserved bytes are 0."""
    assert records.overview.unfinished() == (0, 0)


@pytest.mark.usefixtures("all_tenants")
def test_the_part_that_warns(database: Database) -> None:
    """The part of a quota at which a tenant is warned is the percentage in the settings. Without a
    quota in the settings, a tenant without own limits has no limit.
    """
    assert SqlRecords(database, quota=Quota(warning_percent=80)).overview.warning_part == 0.8
    assert SqlRecords(database).overview.warning_part == Quota().warning_percent / 100
    tenant_free = SqlRecords(database)
    tenant_free.write(Write(files=(new_file("a", tenant="demo"),)))
    (usage,) = [one for one in tenant_free.overview.usages() if one.tenant == "demo"]
    assert (usage.limit_bytes, usage.limit_files) == (None, None)
