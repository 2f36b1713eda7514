"""What the service notes beside requests and stages, for the metrics (`servicekit.tallies`)."""

from __future__ import annotations

from servicekit.tallies import Tally

PROTOCOLS = ("raw", "form", "tus", "ietf", "ticket", "ticket_form")
OUTCOMES = ("stored", "replayed", "refused", "failed")

uploads = Tally()
"""Uploads that ended, by protocol and outcome."""
files = Tally()
"""Bytes of each file that became visible, by protocol."""
group_sizes = Tally()
"""Changes in one transaction."""
digests = Tally()
"""Digests of large bodies: `known` by the follower, or `computed` by who received."""
followed_bytes = Tally()
"""Bytes that the follower hashed."""
swept = Tally()
"""What the sweeper removed, by kind."""
sweep_failures = Tally()
"""What could not be removed or read."""
# Of what the sweeper counts.
NOT_REMOVED = frozenset(("rowless_bytes", "failures"))
sweeps = Tally()
"""Runs of the sweeper: `done` or `failed`."""
