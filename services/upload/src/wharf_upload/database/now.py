"""The time by the clock of the database: machines' clocks may differ."""

from __future__ import annotations

# An expression that is the time in unix milliseconds, by dialect.
NOW = {
    "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
    "postgresql": "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
}
