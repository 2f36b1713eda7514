"""The lanes, with their default rules."""

from __future__ import annotations

from wharf_upload.domain.jobs import Lane, Waits

WEBHOOK = Lane(
    name="webhook",
    lease_seconds=30,
    window=4,
    at_once=32,
    tries=10,
    # Webhooks give the time of each further try themselves.
    waits=Waits(first=5, factor=4, most=12 * 3600),
)
BULK = Lane(name="bulk", lease_seconds=60, window=1, at_once=2, tries=20, waits=Waits(first=5))
ALL = (WEBHOOK, BULK)
