"""The settings of the auth service."""

from __future__ import annotations

from pathlib import Path

import pytest

from servicekit.settings import SettingsError
from servicekit.settings import read as read_settings
from wharf_auth import settings as auth_settings
from wharf_auth.settings import Settings


def test_defaults_follow_from_the_data() -> None:
    """`WHARF_DATA` alone is enough to start; all other settings have defaults."""
    found = read_settings(Settings, {"WHARF_DATA": "/srv/wharf"})
    assert found.effective_database_url == "sqlite:////srv/wharf/auth/auth.db"
    assert str(found.keys_directory) == "/srv/wharf/auth/keys"
    assert str(found.credentials_path) == "/srv/wharf/credentials.json"
    assert found.token_ttl_seconds == 900
    assert found.durability == "full"


def test_limits_are_counted_in_the_process_outside_uwsgi() -> None:
    """Outside uWSGI, which has a shared cache, each process counts limits in its own memory."""
    found = read_settings(Settings, {"WHARF_DATA": "/srv/wharf"})
    assert found.effective_limits_url == "memory://"


@pytest.mark.parametrize("seconds", ["0", "9", "86401", "15m"])
def test_life_of_tokens_is_bounded(seconds: str) -> None:
    """The lifetime of a token is a whole number of seconds, from 10 to 86,400."""
    with pytest.raises(SettingsError, match="from 10 to 86400"):
        read_settings(Settings, {"WHARF_DATA": "/d", "WHARF_TOKEN_TTL_SECONDS": seconds})


@pytest.mark.parametrize(
    "issuer",
    [
        "wharf.example",
        "ftp://wharf.example",
        "https://",
        "https://a/",
        "https://a/?x",
        "https://a/#x",
        "https://u@a",
    ],
)
def test_issuer_is_a_plain_url(monkeypatch: pytest.MonkeyPatch, issuer: str) -> None:
    """An issuer that is not a plain URL is refused, because two spellings would be two issuers."""
    monkeypatch.setenv("WHARF_DATA", "/srv/wharf")
    monkeypatch.setenv("WHARF_ISSUER", issuer)
    with pytest.raises(SettingsError, match="WHARF_ISSUER"):
        auth_settings.read()


@pytest.mark.parametrize(
    ("issuer", "gateway"),
    [
        ("https://a.example/auth", "https://a.example"),
        ("https://a.example", "https://a.example"),
        ("https://a.example/files/auth", "https://a.example/files"),
    ],
)
def test_gateway_is_the_issuer_without_auth(
    monkeypatch: pytest.MonkeyPatch, issuer: str, gateway: str
) -> None:
    """Addresses in responses begin with the gateway's URL: the issuer without its end `/auth`."""
    monkeypatch.setenv("WHARF_DATA", "/srv/wharf")
    monkeypatch.setenv("WHARF_ISSUER", issuer)
    assert auth_settings.read().gateway_url == gateway


def test_passwords_in_urls_are_not_shown() -> None:
    """The representation of the settings omits passwords in URLs."""
    found = Settings(
        data=Path("/d"),
        database_url="postgresql://u:s3cret@h/d",
        limits_url="redis://:s3cret@h",
    )
    assert "s3cret" not in repr(found)
