"""What is noted of rate limits for the metrics (`servicekit.tallies`)."""

from __future__ import annotations

from servicekit.tallies import Tally

refusals = Tally()
"""Refused requests by policy."""
fallbacks = Tally()
"""Decisions from the process's own count."""
