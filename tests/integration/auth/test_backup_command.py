"""`wharf-auth backup` and `restore`: a run that fails or is interrupted damages nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.servers.auth_command import Run, installed, mistake, run

__all__ = ["installed", "run"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder for backups."""
    return tmp_path / "backup"


def content(folder: Path) -> dict[str, bytes]:
    """Return the content of each file of a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_restored(installed: Run, folder: Path, tmp_path: Path) -> None:
    """A restore brings back tenants, and keys with their age. The backup also has the credentials.

    A second restore is refused.
    """
    assert installed("backup", str(folder)).returncode == 0
    assert folder.stat().st_mode & 0o777 == 0o700
    new = {"WHARF_DATA": str(tmp_path / "new")}
    assert installed("restore", str(folder), environ=new).returncode == 0
    for name in ("keys", "credentials.json"):
        assert (folder / name).exists()
    for key in (tmp_path / "data/auth/keys").glob("*.pem"):
        copy = tmp_path / "new/auth/keys" / key.name
        assert copy.read_bytes() == key.read_bytes()
        assert copy.stat().st_mtime == key.stat().st_mtime
        assert copy.stat().st_mode & 0o777 == 0o600
    tenants = [installed("tenant", "list", environ=one).stdout for one in ({}, new)]
    assert tenants[0] == tenants[1] != ""
    mistake(installed("restore", str(folder), environ=new), "restore needs an empty database")


def test_a_backup_that_fails(installed: Run, folder: Path) -> None:
    """A backup that fails leaves the previous backup intact."""
    assert installed("backup", str(folder)).returncode == 0
    before = content(folder)
    away = {"WHARF_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    mistake(installed("backup", str(folder), environ=away), "cannot be saved")
    kept = {name: text for name, text in content(folder).items() if not name.startswith(".next")}
    assert kept == before
    assert installed("backup", str(folder)).returncode == 0
    assert set(content(folder)) == set(before)


def test_no_keys(installed: Run, folder: Path, tmp_path: Path) -> None:
    """A backup without keys is refused, so the remains of a lost disk do not
    replace a good backup.
    """
    assert installed("backup", str(folder)).returncode == 0
    before = content(folder)
    shutil.rmtree(tmp_path / "data/auth/keys")
    mistake(installed("backup", str(folder)), "there are no keys")
    assert {name for name in content(folder) if not name.startswith(".next")} == set(before)


def test_cut_short(installed: Run, folder: Path, tmp_path: Path) -> None:
    """A restore that was interrupted before it wrote the rows succeeds when it is run again."""
    assert installed("backup", str(folder)).returncode == 0
    new = {"WHARF_DATA": str(tmp_path / "new")}
    (tmp_path / "new/auth").mkdir(parents=True)
    shutil.copytree(folder / "keys", tmp_path / "new/auth/keys")
    assert installed("restore", str(folder), environ=new).returncode == 0
    assert "demo" in installed("tenant", "list", environ=new).stdout


def test_not_over_others(installed: Run, folder: Path, tmp_path: Path) -> None:
    """A restore refuses to mix its keys with those of another installation."""
    assert installed("backup", str(folder)).returncode == 0
    other = {"WHARF_DATA": str(tmp_path / "other")}
    assert installed("migrate", environ=other).returncode == 0
    assert installed("init", environ=other).returncode == 0
    before = content(tmp_path / "other/auth/keys")
    done = installed("restore", str(folder), environ=other)
    mistake(done, "exists already and is not from this backup")
    assert content(tmp_path / "other/auth/keys") == before


@pytest.mark.parametrize("name", ["auth.db", "credentials.json", "manifest.json"])
def test_damaged(installed: Run, folder: Path, tmp_path: Path, name: str) -> None:
    """A restore finds a damaged file before it writes the database."""
    assert installed("backup", str(folder)).returncode == 0
    (folder / name).write_bytes(b"{")
    new = {"WHARF_DATA": str(tmp_path / "new")}
    mistake(installed("restore", str(folder), environ=new), "damaged")
    assert not (tmp_path / "new/auth/auth.db").exists()
