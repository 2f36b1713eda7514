"""The text that a person reads when Wharf is ready."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wharf_gateway.run_settings import RunSettings
from wharf_native.places import Places
from wharf_native.welcome import first_login, first_upload, welcome

DEMO = {
    "client_id": "wharf-demo",
    "client_secret": "s" * 40,
    "tenant": "demo",
    "username": "demo",
    "password": "a-password-of-the-demo",
}


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Return the folders of an installation that has a credentials file."""
    (tmp_path / "credentials.json").write_text(json.dumps({"demo": DEMO}))
    return Places(str(tmp_path), {})


def test_the_first_login(places: Places) -> None:
    """The welcome names tenant and user, and the password or the file that contains it."""
    shown = first_login(places, secretly=False)
    assert shown == "log in: tenant demo, name demo, password a-password-of-the-demo"
    hidden = first_login(places, secretly=True)
    assert (
        hidden == f"log in: tenant demo, name demo, password is in {places.data}/credentials.json"
    )


def test_the_first_upload_by_tls(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """With TLS the commands of the welcome use the issuer's name and trust the certificate."""
    files = {"WHARF_TLS_CERTIFICATE": "/tls/c.pem", "WHARF_TLS_KEY": "/tls/k.pem"}
    for name, value in {**files, "WHARF_ISSUER": "https://files.example/auth"}.items():
        monkeypatch.setenv(name, value)
    for command in first_upload(RunSettings(files, root="/"), places):
        assert " https://files.example/" in command
        assert " --cacert /tls/c.pem" in command


@pytest.mark.parametrize(
    ("text", "tenant"),
    [
        (json.dumps({"demo": {**DEMO, "password": None}}), "demo"),
        (json.dumps({"demo": {"client_id": "wharf-demo", "tenant": "demo"}}), "demo"),
        (json.dumps({"admin": {"client_id": "wharf-admin"}}), "TENANT"),
        ("[]", "TENANT"),
        ('{"demo": 5}', "TENANT"),
        ("{", "TENANT"),
        (None, "TENANT"),
    ],
)
def test_where_nobody_was_made(places: Places, text: str | None, tenant: str) -> None:
    """If there is no demo user, the welcome has the command that creates a user."""
    file = Path(places.data) / "credentials.json"
    if text is None:
        file.unlink()
    else:
        file.write_text(text)
    for secretly in (False, True):
        words = first_login(places, secretly=secretly)
        assert words.endswith(f"wharf-auth user create {tenant} NAME --role owner --generate")
        assert f"WHARF_DATA={places.data} " in words


def test_a_folder_with_a_space(tmp_path: Path) -> None:
    """If a folder's path has a space, the commands of the welcome quote the path for the shell."""
    words = first_login(Places(str(tmp_path / "our files"), {}), secretly=True)
    assert f"WHARF_DATA='{tmp_path}/our files' .venv/bin/wharf-auth " in words


@pytest.mark.parametrize(
    ("issuer", "address"),
    [
        ("http://127.0.0.1:8080/auth", "http://127.0.0.1:8080/console/"),
        ("https://files.example.net/auth", "https://files.example.net/console/"),
    ],
)
def test_where_the_console_is(
    places: Places,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    issuer: str,
    address: str,
) -> None:
    """The welcome contains the console's public address and no secret."""
    monkeypatch.setenv("WHARF_ISSUER", issuer)
    welcome(RunSettings({"WHARF_DATA": places.data}, root="/srv/wharf"), places)
    said = capsys.readouterr().out
    assert f"wharf: the console is at {address}\n" in said
    assert DEMO["password"] not in said
    assert DEMO["client_secret"] not in said


def test_commands_where_connections_begin_with_a_proxys_line(places: Places) -> None:
    """With PROXY lines on the public port each command of the welcome sends a PROXY line."""
    environ = {"WHARF_PROXY_HEADER": "PROXY", "WHARF_TRUSTED_PROXIES": "192.0.2.7"}
    for command in first_upload(RunSettings(environ, root="/srv/wharf"), places):
        assert command.count(" --haproxy-protocol") == 1
    assert "proxy" not in "".join(first_upload(RunSettings({}, root="/srv/wharf"), places))
