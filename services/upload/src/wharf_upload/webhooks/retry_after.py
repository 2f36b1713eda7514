"""Reads `Retry-After` of a receiver (RFC 9110 section 10.2.3)."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime

_MOST_SECONDS = 86_400.0


def seconds(field: str | None, now: float) -> float | None:
    """Return how long the receiver asks to wait, a day at most; `None` if it does not ask.

    `now` is in unix seconds. A field that is neither a number nor a date is ignored.
    """
    if not field:
        return None
    field = field.strip()
    if field.isascii() and field.isdigit():
        # A longer number is more than a day.
        return min(float(field[:9]), _MOST_SECONDS)
    try:
        moment = parsedate_to_datetime(field)
    except (ValueError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(0.0, moment.timestamp() - now), _MOST_SECONDS)
