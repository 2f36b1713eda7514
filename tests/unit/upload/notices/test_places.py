"""Tests of where notices are sent, by the settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from servicekit.settings import SettingsError
from wharf_upload.notices.places import redis_url, socket_path
from wharf_upload.settings import Settings


@pytest.mark.parametrize(
    ("notices", "limits", "place"),
    [
        ("", "uwsgi-cache://limits", "unix:/run/wharf/notices.sock"),
        ("", "memory://", "unix:/run/wharf/notices.sock"),
        ("", "redis://one:6379/0", "redis://one:6379/0"),
        ("", "rediss://one", "rediss://one"),
        ("redis://two", "redis://one", "redis://two"),
        ("redis://two", "memory://", "redis://two"),
        ("redis+unix:///r.sock", "memory://", "redis+unix:///r.sock"),
    ],
)
def test_the_place_follows_the_settings(notices: str, limits: str, place: str) -> None:
    """Notices go to their own Redis, else to the Redis of the limits, else to a local socket."""
    settings = Settings(
        data=Path("/data"), sockets="/run/wharf", notices_url=notices, limits_url=limits
    )
    assert settings.notices_place == place


def test_other_addresses_are_refused_at_the_start() -> None:
    """Any other address is refused at startup, by a message that contains no password."""
    with pytest.raises(SettingsError, match="WHARF_NOTICES_URL") as caught:
        Settings(data=Path("/data"), notices_url="amqp://user:secret@host")
    assert "secret" not in str(caught.value)


def test_a_place_is_a_path_or_a_url() -> None:
    """A place is a socket's path or a Redis URL in the form that redis-py expects."""
    assert socket_path("unix:/run/notices.sock") == "/run/notices.sock"
    assert socket_path("redis://one") is None
    assert redis_url("redis+unix:///r.sock?db=1") == "unix:///r.sock?db=1"
    assert redis_url("rediss://one") == "rediss://one"
