"""Limits for rows that the quota of bytes and files does not count."""

from __future__ import annotations

import msgspec


class RowLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of every tenant; `None` is no limit.

    The records remember an idempotency key for `idempotency_seconds`.
    """

    buckets: int | None = None
    open_uploads: int | None = None
    events: int | None = None
    idempotency_keys: int | None = None
    links: int | None = None
    idempotency_seconds: int = 24 * 3600
