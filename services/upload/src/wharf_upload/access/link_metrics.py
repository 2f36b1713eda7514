"""Counts the signed links that were made and ended, for the metrics."""

from __future__ import annotations

from typing import Literal

from servicekit.metric_buffers import MetricBuffer

made_links = MetricBuffer()
"""Links that were made: `listed` or `unlisted`."""
ended_links = MetricBuffer()
"""Links that were ended before they expired, by reason."""

Kind = Literal["listed", "unlisted"]
#: Why a link ended: its maker or an administrator ended it, the tenant revoked all of its links,
#: or a token that made the link was revoked.
Reason = Literal["maker", "administrator", "rotation", "token"]


def made(*, listed: bool) -> None:
    """Count a link that was made."""
    kind: Kind = "listed" if listed else "unlisted"
    made_links.note(((kind,), 1))


def ended(reason: Reason, count: int = 1) -> None:
    """Count links that were ended."""
    if count:
        ended_links.note(((reason,), count))
