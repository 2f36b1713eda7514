"""The metric buffers of rate limits.

They are separate from the limits: a service without limits does not import the limits' packages.
"""

from __future__ import annotations

from servicekit.metric_buffers import MetricBuffer

refusals = MetricBuffer()
"""Requests that a limit refused, by policy."""
fallbacks = MetricBuffer()
"""Decisions that used the process's own counters."""
