"""Settings of the console, and the files that pages load."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from servicekit.settings import SettingsError
from tests.servers.console import Console
from wharf_console import settings
from wharf_console.web.assets import Assets


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Return an environment with the setting of the data folder and no other setting of Wharf."""
    for name in os.environ:
        if name.startswith("WHARF_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("WHARF_DATA", "/data")
    return monkeypatch


def test_defaults_follow_the_data(environment: pytest.MonkeyPatch) -> None:
    """The paths of all files follow from the data folder."""
    found = settings.read()
    assert found.door == "/data/run/console-door.sock"
    assert found.folder == Path("/data/console")
    assert found.console_sessions == "file"
    assert not found.is_https
    assert not found.console_examples


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WHARF_CONSOLE_SESSIONS", "memcached://:secret@x"),
        ("WHARF_CONSOLE_DOOR", "gateway"),
        ("WHARF_ISSUER", "files.example"),
        ("WHARF_CONSOLE_SESSION_SECONDS", "1"),
    ],
)
def test_a_wrong_setting_is_named(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A wrong setting is named. Its value is not shown if the value may be secret."""
    environment.setenv(name, value)
    with pytest.raises(SettingsError, match=name) as raised:
        settings.read()
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WHARF_CONSOLE_SESSIONS", "redis://redis:6379/1"),
        ("WHARF_CONSOLE_SESSIONS", "redis+unix:///run/redis.sock"),
        ("WHARF_CONSOLE_DOOR", "gateway:8084"),
        ("WHARF_CONSOLE_DOOR", "unix:/run/wharf/door.sock"),
    ],
)
def test_what_is_documented_is_taken(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """Each form of a setting that the documentation names is accepted."""
    environment.setenv(name, value)
    settings.read()


def test_a_page_loads_what_the_manifest_names(tmp_path: Path) -> None:
    """A page loads the file that the manifest names; after a new build no restart is necessary."""
    assets = Assets(tmp_path)
    assert assets.url("console.css") == ""
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"console.css": "console-1.css"}))
    assert assets.url("console.css") == "/console/static/console-1.css"
    manifest.write_text(json.dumps({"console.css": "console-2.css"}))
    os.utime(manifest, (1, 1))
    assert assets.url("console.css") == "/console/static/console-2.css"
    manifest.write_text("{")
    os.utime(manifest, (2, 2))
    assert assets.url("console.css") == ""


def test_pages_work_without_a_build(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without built files a page has no script and no style sheet."""
    monkeypatch.setitem(console.app.jinja_env.globals, "asset", lambda _: "")
    page = console.visitor().get("/console/login").text
    assert "<script" not in page
    assert "stylesheet" not in page
