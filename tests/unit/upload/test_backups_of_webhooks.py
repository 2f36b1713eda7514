"""Tests of endpoints in a backup: the keys that they need, and the events that they deliver."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from servicekit.database import open_database, snapshots
from servicekit.sealing import KeyRing
from servicekit.testing import Issuer
from tests.servers.endpoints import added
from tests.servers.upload import UploadService, assemble, settings_for
from wharf_upload import bootstrap, webhook_bootstrap
from wharf_upload.commands.backups import backup, restore
from wharf_upload.maintenance import backup as copying
from wharf_upload.settings import Settings


def saved(upload: UploadService, folder: Path) -> Result:
    """Make a backup."""
    done = CliRunner().invoke(backup, [str(folder)], obj=upload.settings)
    assert done.exit_code == 0, done.output
    return done


def restored(own: Settings, folder: Path, *options: str) -> Result:
    """Restore a backup."""
    done = CliRunner().invoke(restore, [*options, str(folder)], obj=own)
    assert done.exit_code == 0, done.output
    return done


def test_keys_of_a_backup(upload: UploadService, tmp_path: Path) -> None:
    """A backup names the keys that its secrets need, and a restore those that are missing."""
    added(upload)
    path = webhook_bootstrap.key_file(upload.settings)
    (old,) = KeyRing.load(path).ids
    new = KeyRing.load(path).added(path).current_id
    added(upload)
    folder = tmp_path / "backup"
    both = " ".join(sorted((old, new)))
    assert f"sealing keys: {both} (not in the backup: copy {path})" in saved(upload, folder).output
    assert json.loads((folder / "manifest.json").read_bytes())["sealing_keys"] == both.split()
    own = settings_for(tmp_path / "other")
    assert f"lacks the keys {both}: copy the file" in restored(own, folder).output
    third = settings_for(tmp_path / "third")
    found = webhook_bootstrap.key_file(third)
    found.parent.mkdir()
    shutil.copy(path, found)
    KeyRing.load(found).without(found, old)
    assert f"lacks the keys {old}: copy the file" in restored(third, folder).output
    fourth = settings_for(tmp_path / "fourth", secrets_key_file=str(path))
    assert "lacks the keys" not in restored(fourth, folder).output


def test_a_backup_without_endpoints(upload: UploadService, tmp_path: Path) -> None:
    """A backup without endpoints needs no keys and names none."""
    folder = tmp_path / "backup"
    assert "sealing keys" not in saved(upload, folder).output
    assert "lacks the keys" not in restored(settings_for(tmp_path / "other"), folder).output


@pytest.mark.parametrize("again", [False, True])
def test_events_of_a_backup(
    upload: UploadService, tmp_path: Path, issuer: Issuer, *, again: bool
) -> None:
    """A restore ends the deliveries of the backup's events, or keeps them if the operator asks."""
    name = added(upload).endpoint.id
    upload.put("a", b"text")
    upload.records.fan_out.fan_out("demo", name)
    upload.put("b", b"text")
    folder = tmp_path / "backup"
    saved(upload, folder)
    own = settings_for(tmp_path / "other")
    restored(own, folder, *(["--deliver-again"] if again else []))
    records = assemble(own, issuer).records
    states = [one.state for one in records.deliveries.deliveries("demo", name, limit=9)]
    assert states == (["open"] if again else ["failed"])
    assert records.fan_out.behind(("", ""), 9) == ([("demo", name)] if again else [])
    jobs = open_database(own.effective_database_url).reading().rows("SELECT subject FROM jobs")
    assert len(jobs) == (1 if again else 0)


def test_a_restore_that_is_killed(
    upload: UploadService, tmp_path: Path, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restore that is killed immediately after it has written the rows delivers no old event."""
    name = added(upload).endpoint.id
    upload.put("a", b"text")
    upload.records.fan_out.fan_out("demo", name)
    upload.put("b", b"text")
    folder, own = tmp_path / "backup", settings_for(tmp_path / "other")
    saved(upload, folder)
    load = snapshots.load

    def killed(*arguments: Any) -> None:
        load(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(snapshots, "load", killed)
    with pytest.raises(KeyboardInterrupt):
        copying.restore(bootstrap.installation(own), folder, lambda *_: None)
    records = assemble(own, issuer).records
    assert [one.state for one in records.deliveries.deliveries("demo", name, limit=9)] == ["failed"]
    assert records.fan_out.behind(("", ""), 9) == []
    assert records.kept_jobs.jobs(limit=9) == []
