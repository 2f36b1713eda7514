"""Tests of what a tenant may still store and when it is warned, at the limits' exact values."""

from __future__ import annotations

from collections import Counter

import pytest

from wharf_upload.domain.quotas import Allowance, QuotaWarning, TenantUsage
from wharf_upload.domain.refusals import QuotaExceeded
from wharf_upload.domain.reservation import Reserved, lapses_at


def allowance(**changes: int | None) -> Allowance:
    """Return an allowance in which, by default, 10 of 100 bytes and 1 of 10 files are used."""
    values = {"used_bytes": 10, "used_files": 1, "max_bytes": 100, "max_files": 10}
    return Allowance(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "charged", "needed"),
    [
        ({}, {}, (90, 9)),
        ({}, {"bytes": 40, "files": 4}, (50, 5)),
        ({"max_bytes": None}, {}, (10**15, 9)),
        ({"max_files": None}, {}, (90, 10**9)),
        ({"used_bytes": 500}, {}, (0, 1)),
        ({"used_files": 50}, {}, (1, 0)),
        ({"used_bytes": 500, "used_files": 50}, {}, (-1, -1)),
    ],
)
def test_what_fits(
    changes: dict[str, int | None], charged: dict[str, int], needed: tuple[int, int]
) -> None:
    """A change may fill a quota exactly. A change that adds nothing to a quota passes even above
    this quota.
    """
    allowance(**changes).require(Counter(charged), *needed)


@pytest.mark.parametrize(
    ("charged", "needed"),
    [({}, (91, 1)), ({}, (1, 10)), ({"bytes": 40, "files": 4}, (51, 1)), ({"files": 9}, (1, 1))],
)
def test_what_does_not_fit(charged: dict[str, int], needed: tuple[int, int]) -> None:
    """A refusal for one byte or one file above the limit states all six numbers. Charges count as
    used.
    """
    with pytest.raises(QuotaExceeded) as caught:
        allowance().require(Counter(charged), *needed)
    assert caught.value.numbers == {
        "used_bytes": 10 + charged.get("bytes", 0),
        "limit_bytes": 100,
        "needed_bytes": needed[0],
        "used_files": 1 + charged.get("files", 0),
        "limit_files": 10,
        "needed_files": needed[1],
    }
    assert str(caught.value) == "the tenant's quota is used up"
    assert not caught.value.for_now


@pytest.mark.parametrize(
    ("changes", "charged", "crossed"),
    [
        ({}, {"bytes": 79}, ()),
        ({}, {"bytes": 80}, ("bytes",)),
        ({}, {"files": 7}, ()),
        ({}, {"files": 8}, ("files",)),
        ({}, {"bytes": 80, "files": 8}, ("bytes", "files")),
        ({"used_bytes": 89}, {"bytes": 1}, ("bytes",)),
        ({"used_bytes": 90}, {"bytes": 1}, ()),
        ({"used_bytes": 95}, {"bytes": -20}, ()),
        ({"max_bytes": None}, {"bytes": 10**9}, ()),
        ({"max_bytes": 1000, "used_bytes": 895}, {"bytes": 4}, ()),
        ({"max_bytes": 1000, "used_bytes": 899}, {"bytes": 2}, ("bytes",)),
        ({"max_files": 1000, "used_files": 892}, {"files": 7}, ()),
    ],
)
def test_a_warning_when_a_limit_is_near(
    changes: dict[str, int | None], charged: dict[str, int], crossed: tuple[str, ...]
) -> None:
    """Only the change that brings the use to 90 % of a limit gives a warning."""
    now = allowance(**changes)
    wanted = QuotaWarning(
        crossed=crossed,
        percent=90,
        used_bytes=now.used_bytes + charged.get("bytes", 0),
        limit_bytes=now.max_bytes,
        used_files=now.used_files + charged.get("files", 0),
        limit_files=now.max_files,
    )
    assert now.warning(Counter(charged), 90) == (wanted if crossed else None)


@pytest.mark.parametrize(
    ("used", "limits", "part"),
    [
        ((50, 1), (100, 10), 0.5),
        ((10, 9), (100, 10), 0.9),
        ((50, 9), (None, None), 0.0),
        ((0, 0), (0, 0), 0.0),
        ((1, 0), (0, None), 1.0),
        ((0, 2), (None, 1), 2.0),
    ],
)
def test_the_part_of_a_quota(
    used: tuple[int, int], limits: tuple[int | None, int | None], part: float
) -> None:
    """The used part of a quota is the larger of the parts of bytes and of files."""
    assert TenantUsage("demo", *used, *limits).part == part


def test_what_bodies_under_way_still_take() -> None:
    """The outstanding part of a reservation is the reserved minus the written part, at least 0."""
    some = Reserved(disk_bytes=10, written_bytes=4, inodes=3, written_inodes=1)
    assert (some.outstanding_bytes, some.outstanding_inodes) == (6, 2)
    none = Reserved(disk_bytes=4, written_bytes=10, inodes=1, written_inodes=3)
    assert (none.outstanding_bytes, none.outstanding_inodes) == (0, 0)


@pytest.mark.parametrize(
    ("size", "milliseconds"),
    [(0, 3_600_000), ((1 << 20) - 1, 3_600_000), (1 << 20, 3_601_000), (10 << 20, 3_610_000)],
)
def test_when_a_reservation_lapses(size: int, milliseconds: int) -> None:
    """A reservation expires after one hour, plus one second for each full MiB of its size."""
    assert lapses_at(1_000, size) == 1_000 + milliseconds
