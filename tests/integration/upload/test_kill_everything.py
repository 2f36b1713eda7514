"""kill -9 of gateway, services and worker under load, then a start on the same data."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from servicekit.testing import Issuer
from tests.servers.load import Load
from tests.servers.native import NativeWharf
from tests.servers.upload import UploadService, assemble, settings_for
from tests.servers.upload_invariants import assert_sound, live

# The tests share one kill and run in their order: a later test sees the result of an earlier sweep.
pytestmark = pytest.mark.story
_ACKNOWLEDGED = 60


@dataclass
class Scene:
    """A Wharf that was killed under load, and the responses that its clients received."""

    wharf: NativeWharf
    load: Load

    def service(self, issuer: Issuer) -> UploadService:
        """Return a service on the data, without any process of Wharf."""
        settings = settings_for(self.wharf.data, durability="relaxed")
        return assemble(settings, issuer)


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    """Yield a Wharf that was killed once for all tests of this file, which run in their order."""
    # This folder is not pytest's, because paths of sockets must be short.
    base = Path(tempfile.mkdtemp(prefix="wharf-kill-"))
    wharf = NativeWharf(base, WHARF_SWEEP_SECONDS="1", WHARF_DELETED_GRACE_SECONDS="1")
    try:
        wharf.start()
        headers = {"Authorization": f"Bearer {wharf.token()}"}

        def put(key: str, body: bytes) -> bool:
            status, _ = wharf.request("PUT", f"/v1/files/default/{key}", body, headers)
            return status == 201

        load = Load(put)
        load.run_until(_ACKNOWLEDGED, then=wharf.kill)
        yield Scene(wharf, load)
    finally:
        wharf.kill()
        shutil.rmtree(base, ignore_errors=True)


def below(folder: Path) -> set[str]:
    """Return the paths of all files below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def stored_files(data: Path) -> set[str]:
    """Return the paths of all files in store, staging and spool."""
    return {
        f"{name}/{path}" for name in ("tenants", "staging", "spool") for path in below(data / name)
    }


def test_acknowledged_are_there(scene: Scene, issuer: Issuer) -> None:
    """Right after the kill, before any sweep, each acknowledged file has its row and its bytes."""
    service = scene.service(issuer)
    assert scene.load.refused == []
    assert len(scene.load.acknowledged) >= _ACKNOWLEDGED
    assert scene.load.faults(live(service)) == []
    assert_sound(service)
    service.database.close()


def test_check(scene: Scene) -> None:
    """`check --read-all` finds no fault after the kill, and no leftover that is old enough to
    count.
    """
    done = scene.wharf.command("check", "--read-all")
    assert (done.returncode, done.stdout) == (0, "leftovers: 0\nfaults: 0\n"), done.stderr


def test_dry_run(scene: Scene) -> None:
    """A dry run removes nothing, and names exactly the files that the next sweep removes."""
    data = scene.wharf.data
    # One leftover of each kind, in case the kill left none.
    (data / "staging" / "f00d").write_bytes(b"x")
    (data / "spool" / "native" / "0000000042").write_bytes(b"x")
    rowless = data / "tenants" / "demo" / "ab" / ("0" * 8 + "ab" + "0" * 22)
    rowless.parent.mkdir(parents=True, exist_ok=True)
    rowless.write_bytes(b"x")

    before = stored_files(data)
    dry = scene.wharf.command("sweep", "--dry-run", "--older-than", "0")
    assert dry.returncode == 0, dry.stderr
    assert stored_files(data) == before
    named = set(re.findall(r"^would remove \w+ (\S+)$", dry.stdout, re.MULTILINE))

    done = scene.wharf.command("sweep", "--older-than", "0")
    assert done.returncode == 0, done.stderr
    assert "would remove" not in done.stdout
    removed = {path.rpartition("/")[2] for path in before - stored_files(data)}
    assert {name.rpartition("/")[2] for name in named} == removed
    assert removed >= {"f00d", "0000000042", rowless.name}


def test_only_rows_blobs_are_left(scene: Scene, issuer: Issuer) -> None:
    """After the sweep only the blobs of live files remain. Staging and spool are empty."""
    service = scene.service(issuer)
    blobs = {Path(path).name for path in below(scene.wharf.data / "tenants")}
    assert blobs == {file.blob for file in service.records.live_files()}
    assert below(scene.wharf.data / "staging") == set()
    assert below(scene.wharf.data / "spool") == set()
    assert scene.load.faults(live(service)) == []
    assert_sound(service)
    service.database.close()


def test_after_a_restart(scene: Scene) -> None:
    """After a restart on the same data Wharf serves each acknowledged file and stores new ones."""
    wharf = scene.wharf
    wharf.start()
    headers = {"Authorization": f"Bearer {wharf.token()}"}
    there = {}
    for key in scene.load.acknowledged:
        status, body = wharf.request("GET", f"/v1/files/default/{key}", headers=headers)
        assert status == 200
        there[key] = hashlib.sha256(body).hexdigest()
    unanswered = set(scene.load.uncertain)
    assert [one for one in scene.load.faults(there) if one.split()[0] not in unanswered] == []
    body = os.urandom(2_000_000)
    assert wharf.request("PUT", "/v1/files/default/new.bin", body, headers)[0] == 201
    assert wharf.request("GET", "/v1/files/default/new.bin", headers=headers) == (200, body)
    wharf.stop()
