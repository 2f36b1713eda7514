"""A spool from which nothing can be linked is told at the start, not with each large upload."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.servers.needs import lacking
from tests.servers.upload import UploadService
from wharf_upload.storage.spool_check import SpoolCheck


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Spool and staging."""
    found = tmp_path / "spool", tmp_path / "staging"
    for folder in found:
        folder.mkdir()
    return found


def test_on_one_mount(folders: tuple[Path, Path]) -> None:
    """Where it works nothing is said, nothing is left, and it is tried once only."""
    check = SpoolCheck(*folders)
    assert check.error() is None
    assert [os.listdir(folder) for folder in folders] == [[], []]
    folders[0].rmdir()
    assert check.error() is None


def test_on_another_file_system(folders: tuple[Path, Path]) -> None:
    """A spool on another file system makes the service not ready; the words name the setting."""
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
    """With an object store the spool need only take files: nothing is linked, nothing is left."""
    folders[1].rmdir()
    assert SpoolCheck(folders[0], None).error() is None
    assert os.listdir(folders[0]) == []
    folders[0].rmdir()
    assert "does not exist yet" in str(SpoolCheck(folders[0], None).error())


def test_before_the_gateway(folders: tuple[Path, Path]) -> None:
    """Without the folder the service is not ready, and is as soon as there is one."""
    folders[0].rmdir()
    check = SpoolCheck(*folders)
    assert "does not exist yet" in str(check.error())
    folders[0].mkdir()
    assert check.error() is None


def test_asked_for_readiness(upload: UploadService) -> None:
    """It is one of the parts that /readyz names."""
    upload.settings.spool_folder.rmdir()
    answer = upload.request("GET", "/readyz")
    assert answer.status_code == 503
    assert "spool" in str(answer.json)
