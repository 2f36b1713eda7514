"""`wharf-auth backup` and `restore` where keys and credentials are mounted from secrets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.servers.auth_command import Run, installed, mistake, run

__all__ = ["installed", "run"]


@pytest.fixture
def backup(installed: Run, tmp_path: Path) -> Path:
    """Return a backup with the tenant team-a."""
    assert installed("tenant", "create", "team-a").returncode == 0
    folder = tmp_path / "backup"
    done = installed("backup", str(folder))
    assert done.returncode == 0, done.stderr
    return folder


def mounted(backup: Path, tmp_path: Path) -> dict[str, str]:
    """Return settings of a new installation that mounts the backup's secrets in separate places."""
    return {
        "WHARF_DATA": str(tmp_path / "new"),
        "WHARF_KEYS": str(backup / "keys"),
        "WHARF_CREDENTIALS": str(backup / "credentials.json"),
    }


def test_records_only(backup: Path, run: Run, tmp_path: Path) -> None:
    """`restore --records-only` restores accounts, and uses mounted
    secrets without changing them.
    """
    environ = mounted(backup, tmp_path)
    before = {path: os.stat(path).st_mtime_ns for path in backup.rglob("*")}
    done = run("restore", "--records-only", str(backup), environ=environ)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "restored accounts and 0 files with secrets\n"
    assert {path: os.stat(path).st_mtime_ns for path in backup.rglob("*")} == before
    assert not (tmp_path / "new/auth/keys").exists()
    assert not (tmp_path / "new/credentials.json").exists()
    assert "team-a" in run("tenant", "list", environ=environ).stdout
    # In Kubernetes a Job runs `init` after the restore. `init` must create nothing a second time.
    done = run("init", environ={**environ, "WHARF_DEMO": "false"})
    assert done.returncode == 0, done.stderr
    again = run("restore", "--records-only", str(backup), environ=environ)
    mistake(again, "restore needs an empty database")


@pytest.mark.parametrize("name", ["WHARF_KEYS", "WHARF_CREDENTIALS"])
def test_mounted_secrets_are_not_replaced(
    backup: Path, run: Run, tmp_path: Path, name: str
) -> None:
    """Without `--records-only`, restore refuses other secrets before it writes, and
    names the option.
    """
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
