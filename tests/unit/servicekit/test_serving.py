"""`serve` in a container: the preparations before uWSGI starts."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from servicekit import serving
from servicekit.settings import SettingsError


def test_counters_of_an_earlier_container_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each start uses a new, empty folder for metrics."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for _ in range(2):
        environ: dict[str, str] = {}
        serving.environment("auth", environ)
        folder = Path(environ["PROMETHEUS_MULTIPROC_DIR"])
        assert folder.parent == tmp_path
        assert list(folder.iterdir()) == []
        (folder / "counter_1.db").write_bytes(b"old")


def test_the_instance_is_the_host_unless_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The instance is the host name unless a setting names it, so each pod has one spool."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    environ = {"WHARF_INSTANCE": ""}
    serving.environment("upload", environ)
    assert environ["WHARF_INSTANCE"] == socket.gethostname().lower()
    environ = {"WHARF_INSTANCE": "one"}
    serving.environment("upload", environ)
    assert environ["WHARF_INSTANCE"] == "one"


def test_outside_of_an_image_it_says_what_to_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside an image, the command prints one line that recommends `make run`."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with pytest.raises(SettingsError, match="make run"):
        serving.ini_file("auth")
