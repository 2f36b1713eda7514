"""The metrics of the sweepers."""

from __future__ import annotations

from collections.abc import Mapping

from servicekit.metric_buffers import MetricBuffer
from wharf_upload.maintenance.sweeper import Swept
from wharf_upload.maintenance.upload_sweeper import SweptUploads

swept = MetricBuffer()
"""What the sweepers have removed, by kind."""
sweep_failures = MetricBuffer()
"""Failures to remove or to read."""
sweeps = MetricBuffer()
"""Runs of the sweepers: `done` or `failed`."""
# Counts of a run that are not numbers of removed objects.
NOT_REMOVED = frozenset(("rowless_bytes", "failures"))


def counts(swept: Swept, uploads: SweptUploads) -> dict[str, int]:
    """Return the counts of both sweepers, with the sum of their failures."""
    return {
        **swept.counts(),
        **uploads.counts(),
        "failures": swept.failures + uploads.failures,
    }


def note_run(counts: Mapping[str, int]) -> None:
    """Note a completed run and its counts."""
    sweeps.note((("done",), 1))
    sweep_failures.note(((), counts["failures"]))
    for kind, count in counts.items():
        if count and kind not in NOT_REMOVED:
            swept.note(((kind,), count))


def note_failed_run() -> None:
    """Note a run that an error has ended."""
    sweeps.note((("failed",), 1))
