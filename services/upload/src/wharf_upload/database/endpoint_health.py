"""The health of an endpoint: failures in a row, its window, and when it is disabled."""

from __future__ import annotations

from typing import Literal

import msgspec

from servicekit.database import Connection
from servicekit.metric_buffers import MetricBuffer
from wharf_upload.database.endpoints import find_endpoint, store
from wharf_upload.database.unit_of_work import UnitOfWork
from wharf_upload.domain.clock import now_microseconds
from wharf_upload.domain.events import DISABLED_KIND, EndpointNote
from wharf_upload.domain.webhooks import (
    DISABLED_AFTER_SECONDS,
    FULL_WINDOW,
    Answer,
    Endpoint,
)

Reason = Literal["gone", "failing"]
disabled = MetricBuffer()
"""Endpoints that were disabled, by reason."""


def note(connection: Connection, unit: UnitOfWork, seen: Endpoint, answer: Answer) -> None:
    """Note the answer to a try in the row of an endpoint that has not changed its address.

    A try that began at an older address says nothing about the present one.
    """
    known = find_endpoint(connection, seen.tenant, seen.id)
    if known is None or known.url != seen.url:
        return
    changed = after(known, answer)
    if changed != known:
        store(connection, changed)
    if changed.state == "disabled" != known.state:
        unit.measured.append((disabled, ("gone" if answer.is_gone else "failing",)))
        data = msgspec.json.encode(EndpointNote(endpoint=known.id, reason=changed.reason))
        unit.events.append(
            (known.tenant, DISABLED_KIND, answer.at, data.decode(), now_microseconds())
        )


def after(known: Endpoint, answer: Answer) -> Endpoint:
    """Return the endpoint after an answer."""
    if answer.accepts:
        return msgspec.structs.replace(known, failures=0, failing_since=None, window=FULL_WINDOW)
    since = answer.at if known.failing_since is None else known.failing_since
    changed = msgspec.structs.replace(
        known,
        failures=known.failures + 1,
        failing_since=since,
        window=max(1, known.window // 2) if answer.is_busy else known.window,
    )
    reason = _reason(changed, answer)
    if not reason or known.state == "disabled":
        return changed
    return msgspec.structs.replace(changed, state="disabled", reason=reason)


def _reason(endpoint: Endpoint, answer: Answer) -> str:
    """Return why the endpoint must be disabled, empty if it need not be."""
    if answer.is_gone:
        return "The receiver answered 410 Gone."
    if answer.at - (endpoint.failing_since or answer.at) >= DISABLED_AFTER_SECONDS * 1000:
        return f"All tries of {DISABLED_AFTER_SECONDS // 86_400} days have failed."
    return ""
