"""What rate limits have counted, for the metrics.

Apart from the limits: a service that has none needs none of their packages in memory.
"""

from __future__ import annotations

from servicekit.metric_buffers import MetricBuffer

refusals = MetricBuffer()
"""Refused requests by policy."""
fallbacks = MetricBuffer()
"""Decisions from the process's own count."""
