"""The metric buffers of rate limits.

The buffers are not in the package of the limits, because a service without limits does not import
that package.
"""

from __future__ import annotations

from servicekit.metric_buffers import MetricBuffer

refusals = MetricBuffer()
"""Requests that a limit refused, by policy."""
fallbacks = MetricBuffer()
"""Decisions that used the process's own counters."""
