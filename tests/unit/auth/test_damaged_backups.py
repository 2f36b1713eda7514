"""`restore` refuses a damaged or incomplete backup before it writes anything."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from servicekit.database import snapshots
from servicekit.database.backup_manifest import BackupError
from wharf_auth.commands import backups

Refused = Callable[..., str]


@pytest.fixture
def folder(auth_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a complete backup, and set `WHARF_DATA` to a folder without data."""
    shutil.copytree(auth_template, tmp_path / "data")
    monkeypatch.setenv("WHARF_DATA", str(tmp_path / "data"))
    made = CliRunner().invoke(backups.backup, [str(tmp_path / "backup")])
    assert made.exit_code == 0, made.exception
    monkeypatch.setenv("WHARF_DATA", str(tmp_path / "new"))
    return tmp_path / "backup"


@pytest.fixture
def refused(folder: Path, tmp_path: Path) -> Refused:
    """Return a function that runs a restore, checks that it is refused and writes nothing, and
    returns the refusal.
    """

    def call(*options: str) -> str:
        done = CliRunner().invoke(backups.restore, [*options, str(folder)])
        assert isinstance(done.exception, BackupError)
        assert not (tmp_path / "new").exists()
        return str(done.exception)

    return call


def files(folder: Path) -> list[Path]:
    """Return one file of each kind in a backup, without the manifest."""
    (key, *_) = sorted((folder / "keys").iterdir())
    return [folder / "auth.db", key, folder / "credentials.json"]


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("damage", ["changed", "cut", "gone"])
def test_each_file(folder: Path, refused: Refused, which: int, damage: str) -> None:
    """A restore names the file of the backup that was changed, truncated or deleted."""
    path = files(folder)[which]
    content = path.read_bytes()
    path.write_bytes(content[:-1] + (b"" if damage == "cut" else bytes([content[-1] ^ 1])))
    if damage == "gone":
        path.unlink()
    assert re.match(f"{path} is (damaged|missing in the backup)", refused())


def test_keys_that_come_from_elsewhere(folder: Path, refused: Refused) -> None:
    """A restore with `--records-only` refuses a backup with a damaged key."""
    path = files(folder)[1]
    path.write_bytes(path.read_bytes()[:-1])
    assert f"{path} is damaged" in refused("--records-only")


@pytest.mark.parametrize("name", ["auth.db", "keys/"])
def test_a_manifest_that_names_too_little(folder: Path, refused: Refused, name: str) -> None:
    """A manifest that names no database or no keys is refused."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    named = manifest["sha256"].items()
    manifest["sha256"] = {one: digest for one, digest in named if not one.startswith(name)}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert "no whole backup of wharf-auth" in refused()


def test_a_manifest_of_a_newer_release(folder: Path, refused: Refused) -> None:
    """A manifest of an unknown format is refused as newer than this release, not as damaged."""
    (folder / "manifest.json").write_text('{"format": 2}', encoding="utf-8")
    assert "of a newer release: its format is 2" in refused()


def test_no_manifest(folder: Path, refused: Refused) -> None:
    """A folder without a manifest is refused."""
    (folder / "manifest.json").unlink()
    assert "is no whole backup" in refused()


def test_rows_of_a_newer_release(
    folder: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that a newer release has migrated is refused before a key is copied."""
    revisions = snapshots.Schema.revisions
    monkeypatch.setattr(snapshots.Schema, "revisions", lambda self: revisions(self)[1:])
    monkeypatch.setattr(snapshots.Schema, "head", lambda self: self.revisions()[0])
    assert "an older version does not know a newer schema" in refused()


def test_an_installation_in_use(
    folder: Path, auth_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restore into an installation with accounts is refused, and adds and removes no file."""
    other = tmp_path / "other"
    shutil.copytree(auth_template, other)
    shutil.rmtree(other / "auth" / "keys")
    (other / "credentials.json").unlink()

    def contents() -> dict[Path, bytes]:
        return {one: one.read_bytes() if one.is_file() else b"" for one in other.rglob("*")}

    before = contents()
    monkeypatch.setenv("WHARF_DATA", str(other))
    done = CliRunner().invoke(backups.restore, [str(folder)])
    assert "restore needs an empty database" in str(done.exception)
    assert contents() == before
