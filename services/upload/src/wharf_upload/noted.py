"""Metric buffers of the service, beside those of requests and stages."""

from __future__ import annotations

from servicekit.metric_buffers import MetricBuffer

PROTOCOLS = ("raw", "form", "tus", "ietf", "ticket", "ticket_form")
OUTCOMES = ("stored", "replayed", "refused", "failed")

uploads = MetricBuffer()
"""Uploads that ended, by protocol and outcome."""
files = MetricBuffer()
"""Bytes of each file that became visible, by protocol."""
group_sizes = MetricBuffer()
"""Changes in one transaction."""
digests = MetricBuffer()
"""Digests of large bodies: `known` by the follower, or `computed` by who received."""
followed_bytes = MetricBuffer()
"""Bytes that the follower hashed."""
swept = MetricBuffer()
"""What the sweeper removed, by kind."""
sweep_failures = MetricBuffer()
"""What could not be removed or read."""
# Of what the sweeper counts.
NOT_REMOVED = frozenset(("rowless_bytes", "failures"))
sweeps = MetricBuffer()
"""Runs of the sweeper: `done` or `failed`."""
