"""`wharf-console serve`: what it checks and reports before uWSGI starts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from servicekit import serving
from wharf_console import cli
from wharf_console.web.assets import Assets


@pytest.fixture
def dist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return an empty folder for built files; uWSGI is replaced and not started."""
    monkeypatch.setenv("WHARF_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(serving, "ini_file", lambda _: Path())
    monkeypatch.setattr(serving, "run_uwsgi", lambda *_: None)
    monkeypatch.setattr(cli, "Assets", lambda: Assets(tmp_path))
    (tmp_path / "data/console").mkdir(parents=True, mode=0o700)
    return tmp_path


@pytest.mark.parametrize(
    ("names", "lines"), [(["console.css", "console.js"], 0), (["console.css"], 1), ([], 1)]
)
def test_a_build_without_scripts(
    dist: Path, capsys: pytest.CaptureFixture[str], names: list[str], lines: int
) -> None:
    """A console without built scripts starts, and reports so in one line."""
    (dist / "manifest.json").write_text(json.dumps({name: f"1-{name}" for name in names}))
    assert cli.cli.main(["serve"], standalone_mode=False) is None
    said = capsys.readouterr().err.splitlines()
    assert len(said) == lines
    assert all("no scripts" in line for line in said)
