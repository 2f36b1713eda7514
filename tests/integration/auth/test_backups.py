"""`wharf-auth backup` and `restore` where keys and credentials are mounted from secrets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.servers.auth_command import Run, installed, mistake, run

__all__ = ["installed", "run"]


@pytest.fixture
def backup(installed: Run, tmp_path: Path) -> Path:
    """A backup with the tenant team-a."""
    assert installed("tenant", "create", "team-a").returncode == 0
    folder = tmp_path / "backup"
    done = installed("backup", str(folder))
    assert done.returncode == 0, done.stderr
    return folder


def mounted(backup: Path, tmp_path: Path) -> dict[str, str]:
    """Settings of a new installation whose secrets are the backup's, in places of their own."""
    return {
        "WHARF_DATA": str(tmp_path / "new"),
        "WHARF_KEYS": str(backup / "keys"),
        "WHARF_CREDENTIALS": str(backup / "credentials.json"),
    }


def test_records_only(backup: Path, run: Run, tmp_path: Path) -> None:
    """Accounts are restored beside mounted secrets, which stay as they are, and work."""
    environ = mounted(backup, tmp_path)
    before = {path: os.stat(path).st_mtime_ns for path in backup.rglob("*")}
    done = run("restore", "--records-only", str(backup), environ=environ)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "restored accounts and 0 files with secrets\n"
    assert {path: os.stat(path).st_mtime_ns for path in backup.rglob("*")} == before
    assert not (tmp_path / "new/auth/keys").exists()
    assert not (tmp_path / "new/credentials.json").exists()
    assert "team-a" in run("tenant", "list", environ=environ).stdout
    # As the Job does after it: nothing is made anew.
    done = run("init", environ={**environ, "WHARF_DEMO": "false"})
    assert done.returncode == 0, done.stderr
    again = run("restore", "--records-only", str(backup), environ=environ)
    mistake(again, "restore needs an empty database")


@pytest.mark.parametrize("name", ["WHARF_KEYS", "WHARF_CREDENTIALS"])
def test_mounted_secrets_are_not_replaced(
    backup: Path, run: Run, tmp_path: Path, name: str
) -> None:
    """Without the option restore refuses other secrets before it writes, and names the way out."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    file = folder / ("1-other.pem" if name == "WHARF_KEYS" else "credentials.json")
    file.write_text("other")
    setting = folder if name == "WHARF_KEYS" else file
    environ = {"WHARF_DATA": str(tmp_path / "new"), name: str(setting)}
    done = run("restore", str(backup), environ=environ)
    mistake(done, f"{file} exists already and is not from this backup")
    assert "--records-only" in done.stderr
    assert file.read_text() == "other"
    assert not list((tmp_path / "new").rglob("*.*"))
