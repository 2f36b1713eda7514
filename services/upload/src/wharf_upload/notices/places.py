"""Places of notices: `unix:/path` is a datagram socket, any other text is a Redis URL."""

from __future__ import annotations

from servicekit.settings import SettingsError

_UNIX = "unix:"
# The schemes of Redis URLs, by which a process can publish notices.
REDIS = ("redis://", "rediss://", "redis+unix://")


def check_url(variable: str, url: str) -> None:
    """Raise `SettingsError` if the value of a variable is neither empty nor a Redis URL."""
    if url and not url.startswith(REDIS):
        raise SettingsError(f"{variable}=(hidden): allowed are {', '.join(REDIS)}")


def socket_place(path: object) -> str:
    """Return the place of the datagram socket at a path."""
    return f"{_UNIX}{path}"


def socket_path(where: str) -> str | None:
    """Return the path of a datagram socket; `None` if the place is a Redis URL."""
    return where.removeprefix(_UNIX) if where.startswith(_UNIX) else None


def redis_url(where: str) -> str:
    """Return the URL in the form that redis-py accepts."""
    return where.replace("redis+unix://", "unix://", 1)
