"""Tests that a spool whose files cannot get a hard link in staging is reported at startup."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.servers.needs import lacking
from tests.servers.upload import UploadService
from wharf_upload.storage.spool_check import SpoolCheck


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Return the folders of spool and staging."""
    found = tmp_path / "spool", tmp_path / "staging"
    for folder in found:
        folder.mkdir()
    return found


def test_on_one_mount(folders: tuple[Path, Path]) -> None:
    """A working spool gives no error, keeps no file, and is tried only once."""
    check = SpoolCheck(*folders)
    assert check.error() is None
    assert [os.listdir(folder) for folder in folders] == [[], []]
    folders[0].rmdir()
    assert check.error() is None


def test_on_another_file_system(folders: tuple[Path, Path]) -> None:
    """A spool on another filesystem makes the service unready, and the error names the setting."""
    mine = folders[1].stat().st_dev
    others = [path for path in map(Path, ("/dev/shm", "/var/tmp")) if path.stat().st_dev != mine]
    if not others:
        lacking("/dev/shm is not a separate file system; mount a tmpfs there")
    other = others[0] / f"wharf-spool-{os.getpid()}"
    other.mkdir()
    try:
        assert "WHARF_SPOOL" in str(SpoolCheck(other, folders[1]).error())
        assert os.listdir(other) == []
    finally:
        other.rmdir()


def test_without_links(folders: tuple[Path, Path]) -> None:
    """With an object store the check only writes to the spool, and leaves nothing."""
    folders[1].rmdir()
    assert SpoolCheck(folders[0], None).error() is None
    assert os.listdir(folders[0]) == []
    folders[0].rmdir()
    assert "does not exist yet" in str(SpoolCheck(folders[0], None).error())


def test_before_the_gateway(folders: tuple[Path, Path]) -> None:
    """The service is not ready until the spool's folder exists."""
    folders[0].rmdir()
    check = SpoolCheck(*folders)
    assert "does not exist yet" in str(check.error())
    folders[0].mkdir()
    assert check.error() is None


def test_asked_for_readiness(upload: UploadService) -> None:
    """/readyz reports the spool's error."""
    upload.settings.spool_folder.rmdir()
    answer = upload.request("GET", "/readyz")
    assert answer.status_code == 503
    assert "spool" in str(answer.json)
