"""The current time by the database's clock, because the clocks of machines may differ."""

from __future__ import annotations

# The SQL expression of the time in unix milliseconds, by dialect.
NOW = {
    "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
    "postgresql": "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
}
