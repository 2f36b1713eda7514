"""Tests of the settings of the upload service: defaults, and refusals in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from servicekit.settings import SettingsError, read
from wharf_upload.settings import Settings

DATA = {"WHARF_DATA": "/srv/wharf"}


def test_defaults() -> None:
    """By default every path is below the data folder, and durability is full."""
    settings = read(Settings, DATA)
    data = Path("/srv/wharf")
    assert settings.durable
    assert settings.effective_database_url == "sqlite:////srv/wharf/upload/upload.db"
    assert settings.spool_folder == data / "spool" / "native"
    assert settings.follower_socket == data / "run" / "follower.sock"
    assert settings.key_file == data / "upload" / "jwks.json"


def test_places_of_their_own() -> None:
    """Spool, sockets and database can be outside the data folder."""
    settings = read(
        Settings,
        {
            **DATA,
            "WHARF_SPOOL": "/srv/wharf/spool/pod-1",
            "WHARF_SOCKETS": "/run/wharf",
            "WHARF_DATABASE_URL": "postgresql://wharf@db/wharf",
        },
    )
    assert settings.spool_folder == Path("/srv/wharf/spool/pod-1")
    assert settings.follower_socket == Path("/run/wharf/follower.sock")
    assert settings.effective_database_url == "postgresql://wharf@db/wharf"


def test_replicas_write_apart() -> None:
    """Each replica has folders for files that one process writes, and the data are shared."""
    first = read(Settings, {**DATA, "WHARF_INSTANCE": "pod-1"})
    second = read(Settings, {**DATA, "WHARF_INSTANCE": "pod-2"})
    assert first.spool_folder == Path("/srv/wharf/spool/pod-1")
    assert first.key_file == Path("/srv/wharf/upload/pod-1/jwks.json")
    assert first.revocation_file.parent != second.revocation_file.parent
    assert first.resumable_folder == second.resumable_folder


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WHARF_INSTANCE", "../auth"),
        ("WHARF_INSTANCE", "Pod_1"),
        ("WHARF_DURABILITY", "sometimes"),
        ("WHARF_MAX_FILE_BYTES", "0"),
        ("WHARF_MAX_FILE_BYTES", "5MB"),
        ("WHARF_MAX_FORM_FILES", "0"),
        ("WHARF_LEASE_SECONDS", "0"),
        ("WHARF_SWEEP_SECONDS", "-1"),
        ("WHARF_LOG_LEVEL", "LOUD"),
    ],
)
def test_wrong_values(name: str, value: str) -> None:
    """A wrong value is refused in one line with the variable, the value and what is allowed."""
    with pytest.raises(SettingsError) as caught:
        read(Settings, {**DATA, name: value})
    message = str(caught.value)
    assert name in message
    assert value in message
    assert "allowed" in message
    assert "\n" not in message


def test_secrets_stay_hidden() -> None:
    """`repr` of the settings does not contain the database's password."""
    settings = read(Settings, {**DATA, "WHARF_DATABASE_URL": "postgresql://u:hunter2@db/x"})
    assert "hunter2" not in repr(settings)
