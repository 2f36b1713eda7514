"""Tests of the metrics and the report of a worker that is a separate process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit.database import open_database
from tests.servers.upload import UploadService
from wharf_upload.database.overview import SqlOverview
from wharf_upload.domain.quotas import Quota, TenantUsage
from wharf_upload.domain.tenant_limits import Limits
from wharf_upload.maintenance.worker_report import Report, survey


@pytest.fixture
def overview(upload: UploadService) -> Iterator[SqlOverview]:
    """Return ten tenants: t1 to t9 with rising numbers of bytes, and a small one near its quota."""
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
    """A small tenant at 90 % of its quota has a label before larger tenants that are far from
    their quotas.
    """
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
    """If no labels are allowed, the label for the rest counts every tenant."""
    report = Report(pause_seconds=1)
    survey(report, overview, 0)
    assert report.shown == ()
    assert report.other_bytes == 45_009


class Tenants:
    """The usage of tenants, at two successive readings."""

    warning_part = 0.5

    def __init__(self, *readings: list[TenantUsage]) -> None:
        self._readings = list(readings)

    def usages(self) -> Iterator[TenantUsage]:
        yield from self._readings.pop(0)

    def unfinished(self) -> tuple[int, int]:
        return 3, 33


@st.composite
def tenants(draw: st.DrawFn) -> list[TenantUsage]:
    """Draw tenants with and without limits, some of them empty."""
    small = st.integers(0, 6)
    row = st.tuples(small, small, st.none() | st.integers(0, 12), st.none())
    return [TenantUsage(f"t{place}", *row) for place, row in enumerate(draw(st.lists(row)))]


@given(tenants(), st.integers(0, 9))
def test_labels(usages: list[TenantUsage], most: int) -> None:
    """Half of the labels are for tenants near their quota, the others for the largest tenants.

    The label for the rest counts all other tenants, and no tenant counts twice.
    """
    report = Report(pause_seconds=1)
    survey(report, Tenants(usages, usages), most)
    shown = list(report.shown)
    assert len({usage.tenant for usage in shown}) == len(shown) == min(most, len(usages))
    assert sum(usage.used_bytes for usage in usages) == report.other_bytes + sum(
        usage.used_bytes for usage in shown
    )
    assert sum(usage.used_files for usage in usages) == report.other_files + sum(
        usage.used_files for usage in shown
    )
    parts = sorted((usage.part for usage in usages), reverse=True)
    near = [part for part in parts[: most // 2] if part > 0]
    assert [usage.part for usage in shown[: len(near)]] == near
    rest = sorted(
        (usage.used_bytes, usage.used_files) for usage in usages if usage not in shown[: len(near)]
    )
    largest = [(usage.used_bytes, usage.used_files) for usage in shown[len(near) :]]
    assert largest == rest[::-1][: most - len(near)]
    assert report.tenants == sum(usage.used_files >= 1 for usage in usages)
    assert report.tenants_near_quota == sum(usage.part >= 0.5 for usage in usages)
    assert (report.unfinished_uploads, report.reserved_bytes) == (3, 33)


def test_tenants_that_grow_meanwhile() -> None:
    """The rest is never negative, although tenants are read twice."""
    before = [TenantUsage("a", 1, 1, None, None), TenantUsage("b", 1, 1, None, None)]
    after = [TenantUsage("a", 9, 9, None, None), TenantUsage("b", 1, 1, None, None)]
    report = Report(pause_seconds=1)
    survey(report, Tenants(before, after), 1)
    assert (report.other_bytes, report.other_files) == (0, 0)
