"""Where notices go: `unix:/path` is a datagram socket, anything else the URL of a Redis."""

from __future__ import annotations

_UNIX = "unix:"
# What `WHARF_LIMITS_URL` calls a Redis that a client can publish with.
REDIS = ("redis://", "rediss://", "redis+unix://")


def socket_place(path: object) -> str:
    """Return the place of the datagram socket at a path."""
    return f"{_UNIX}{path}"


def socket_path(where: str) -> str | None:
    """Return the path of a datagram socket; `None` for a Redis."""
    return where.removeprefix(_UNIX) if where.startswith(_UNIX) else None


def redis_url(where: str) -> str:
    """Return the URL as redis-py takes it."""
    return where.replace("redis+unix://", "unix://", 1)
