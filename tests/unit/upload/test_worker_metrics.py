"""A worker that is a process of its own: its metrics, its report."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from servicekit.database import open_database
from tests.servers.upload import UploadService
from wharf_upload.database.overview import SqlOverview
from wharf_upload.domain.quotas import Quota
from wharf_upload.domain.tenant_limits import Limits
from wharf_upload.maintenance.worker_report import Report, survey


@pytest.fixture
def overview(upload: UploadService) -> Iterator[SqlOverview]:
    """Ten tenants: t1 … t9 with as many bytes as they say, and a small one near its quota."""
    database = open_database(upload.settings.effective_database_url)
    with database.transaction() as connection:
        for number in range(1, 10):
            connection.execute(
                "INSERT INTO usage (tenant, bytes, files) VALUES (?, ?, 1)",
                (f"t{number}", number * 1000),
            )
        connection.execute("INSERT INTO usage (tenant, bytes, files) VALUES ('small', 9, 1)")
    upload.records.put_limits("small", Limits(max_bytes=10))
    yield SqlOverview(database, Quota(max_bytes=1_000_000, warning_percent=90))
    database.close()


def test_who_is_near_its_quota_is_shown(overview: SqlOverview) -> None:
    """A small tenant at 90 % has a label before large ones that are far from theirs."""
    report = Report(pause_seconds=1)
    survey(report, overview, 4)
    shown = {usage.tenant: usage for usage in report.shown}
    assert set(shown) == {"small", "t9", "t8", "t7"}
    assert shown["small"].limit_bytes == 10
    assert shown["t9"].limit_bytes == 1_000_000
    assert (report.tenants, report.tenants_near_quota) == (10, 1)
    assert report.other_bytes == 1000 * sum(range(1, 7))
    assert report.other_files == 6


def test_labels_of_nobody(overview: SqlOverview) -> None:
    """With no labels at all, everything is in the rest."""
    report = Report(pause_seconds=1)
    survey(report, overview, 0)
    assert report.shown == ()
    assert report.other_bytes == 45_009
