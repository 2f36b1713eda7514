"""The worker's report for the metrics: its last run, quotas, incomplete uploads."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

import msgspec

from wharf_upload.database.contract import Overview
from wharf_upload.domain.quotas import TenantUsage


class Report(msgspec.Struct, kw_only=True):
    """The report; times are unix seconds, durations are seconds.

    `last_success` is `None` before the first success. `shown` are the tenants with separate labels,
    and `other_…` is the sum of all other tenants.
    """

    pause_seconds: float
    last_success: float | None = None
    last_duration: float = 0.0
    tenants: int = 0
    tenants_near_quota: int = 0
    shown: tuple[TenantUsage, ...] = ()
    other_bytes: int = 0
    other_files: int = 0
    unfinished_uploads: int = 0
    reserved_bytes: int = 0


def survey(report: Report, overview: Overview, most_tenants: int) -> None:
    """Fill in the usage of all tenants; raises `DatabaseUnavailable`."""
    counted = _Counted(overview.warning_part)
    # Half of the labels are for tenants near their quota, so that large tenants do not hide them.
    half = most_tenants // 2
    # At least one: `nlargest` with 0 would read no tenant, but `counted` must count all tenants.
    nearest = heapq.nlargest(
        max(1, half), counted.all(overview.usages()), key=lambda usage: usage.part
    )[:half]
    known = {usage.tenant for usage in nearest if usage.part > 0}
    largest = heapq.nlargest(
        most_tenants - len(known),
        (usage for usage in overview.usages() if usage.tenant not in known),
        key=lambda usage: (usage.used_bytes, usage.used_files),
    )
    report.shown = (*(usage for usage in nearest if usage.tenant in known), *largest)
    report.tenants, report.tenants_near_quota = counted.tenants, counted.near_quota
    report.other_bytes = max(0, counted.bytes - sum(usage.used_bytes for usage in report.shown))
    report.other_files = max(0, counted.files - sum(usage.used_files for usage in report.shown))
    report.unfinished_uploads, report.reserved_bytes = overview.unfinished()


class _Counted:
    """Sums over all tenants, computed while the caller iterates."""

    def __init__(self, warning_part: float) -> None:
        self._warning_part = warning_part
        self.tenants = self.near_quota = self.bytes = self.files = 0

    def all(self, usages: Iterable[TenantUsage]) -> Iterable[TenantUsage]:
        for usage in usages:
            self.tenants += usage.used_files > 0
            self.near_quota += usage.part >= self._warning_part
            self.bytes += usage.used_bytes
            self.files += usage.used_files
            yield usage
