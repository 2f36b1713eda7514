"""Scripts and styles that the console itself serves, for a gateway of another release."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.servers.console import Console
from wharf_console.routes import static_files


@pytest.fixture(autouse=True)
def dist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of built files with one script."""
    folder = tmp_path / "dist"
    folder.mkdir()
    (folder / "console-1a2b.js").write_text("export {}")
    (folder / "manifest.json").write_text("{}")
    (tmp_path / "secret.js").write_text("not to be had")
    monkeypatch.setattr(static_files, "DIST", folder)
    return folder


def test_a_script_for_visitors(console: Console) -> None:
    """A visitor gets a script with its media type, and caches may keep it for a year."""
    with closing(console.visitor().get("/console/static/console-1a2b.js")) as answer:
        assert (answer.status_code, answer.data) == (200, b"export {}")
        assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert answer.cache_control.immutable
        assert answer.cache_control.max_age == 31_536_000
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "name", ["manifest.json", "none.js", "..%2fsecret.js", "../secret.js", "%2e%2e/secret.js", ""]
)
def test_nothing_else(console: Console, name: str) -> None:
    """A path below `/console/static/` that names no built file gets 404."""
    answer = console.visitor().get(f"/console/static/{name}")
    assert answer.status_code == 404
    assert b"not to be had" not in answer.data
