"""What is noted of databases for the metrics (`servicekit.tallies`)."""

from __future__ import annotations

import weakref

from servicekit.tallies import Level, Tally

UNAVAILABLE, OUT_OF_SPACE, OUTCOME_UNKNOWN = "unavailable", "out_of_space", "outcome_unknown"
KINDS = (UNAVAILABLE, OUT_OF_SPACE, OUTCOME_UNKNOWN)

errors = Tally()
"""Errors by kind."""
transactions = Tally()
"""Seconds of write transactions, without what they waited for."""
waits = Tally()
"""Seconds of waiting for the writer's turn, or for a connection."""
connections = Level()


def opened(connection: object) -> None:
    """Counts a connection for as long as the object lives."""
    connections.begin(None)
    # Not at the exit: the process's numbers end with it.
    weakref.finalize(connection, connections.end).atexit = False
