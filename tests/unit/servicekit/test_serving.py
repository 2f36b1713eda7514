"""What `serve` does in a container before uWSGI."""

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
    """Each start counts from nothing, in a folder of its own."""
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
    """In a pod gateway and upload have one host name, and so one spool."""
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
    """One line, which names `make run`."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with pytest.raises(SettingsError, match="make run"):
        serving.ini_file("auth")
