"""The metrics of webhooks."""

from __future__ import annotations

from typing import Literal

from servicekit.metric_buffers import MetricBuffer

Result = Literal["done", "failed", "again", "not_allowed"]
tries = MetricBuffer()
"""Tries of deliveries, by result."""
durations = MetricBuffer()
"""Seconds from the beginning of a try to the receiver's answer."""
