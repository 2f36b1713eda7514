"""Durations of validity, as the choices of a form."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from babel.dates import format_timedelta

from wharf_console.web.language import current

MINUTE, HOUR, DAY = 60, 3600, 24 * 3600


def words(seconds: int) -> str:
    """Return a duration in words, for example `15 minutes`."""
    # threshold=1: up to twice a unit, use the smaller unit, so 90 minutes are not one hour.
    return str(format_timedelta(timedelta(seconds=seconds), threshold=1, locale=current()))


def choices(offered: Iterable[int], *, most: int) -> dict[str, str]:
    """Return values and labels of the durations, each limited to `most` seconds."""
    allowed = sorted({min(seconds, most) for seconds in offered})
    return {str(seconds): words(seconds) for seconds in allowed}
