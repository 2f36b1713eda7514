"""The time zones of persons, for times that they type."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo


def in_utc(moment: datetime, zone: str) -> datetime:
    """Return a time that was typed in a time zone; UTC if this machine does not know the zone."""
    return moment.replace(tzinfo=_zone(zone)).astimezone(UTC)


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return UTC
