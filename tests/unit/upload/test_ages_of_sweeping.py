"""Tests that the sweeper removes each kind of leftover at its age and not a second before.

The test sets the clock. The settings give each kind a different age.
"""

from __future__ import annotations

import errno
import functools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from servicekit.ids import uuid7_hex
from servicekit.tokens import MAX_LIFETIME_SECONDS
from tests.servers.links import kept_link
from tests.servers.upload import UploadService, new_file
from wharf_upload import bootstrap
from wharf_upload.domain.file_writes import TicketUse, Write
from wharf_upload.domain.resumable_upload import Upload
from wharf_upload.maintenance import upload_sweeper
from wharf_upload.maintenance.replicas import Replicas
from wharf_upload.maintenance.upload_sweeper import SweptUploads
from wharf_upload.storage.base import BlobName

ENDS, LOST, LEASE, GRACE, KEYS, EVENTS = 100, 500, 1000, 2000, 3000, 4000
# The kinds that a run counts, by the age in seconds that they have reached before the run.
TIMELINE = {
    ENDS: {"expired_files", "expired_links"},
    LOST: {"spool_files"},
    LEASE: {"rowless_blobs", "rowless_bytes", "leftovers", "spool_files", "dead_replicas"},
    GRACE: {"deleted_blobs"},
    # The blob of the expired file, which the previous run only marked as a pending deletion.
    ENDS + 2 + GRACE: {"deleted_blobs"},
    KEYS: {"idempotency_keys"},
    EVENTS: {"events"},
    ENDS + LEASE + MAX_LIFETIME_SECONDS: {"ticket_uses"},
}
EXPIRY, YOUNG = 5000, 300
Sweep = Callable[[float], set[str]]


@pytest.fixture
def service(upload: UploadService) -> UploadService:
    """Return a service whose settings give each kind of leftover a different age."""
    return upload.restarted(
        lease_seconds=LEASE,
        deleted_grace_seconds=GRACE,
        idempotency_seconds=KEYS,
        event_seconds=EVENTS,
        replica_lost_seconds=LOST,
        upload_expiry_seconds=EXPIRY,
        durability="relaxed",
    )


@pytest.fixture
def sweep(service: UploadService, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    """Return a function that sweeps at a moment (unix seconds) and returns the counted kinds."""

    def run(moment: float) -> set[str]:
        sweeper = bootstrap.sweeper(service.settings, service.context.backends)
        replicas = Replicas(service.settings.data, lambda: moment)
        monkeypatch.setattr(sweeper, "_clock", lambda: moment)
        monkeypatch.setattr(sweeper, "_replicas", replicas)
        return {name for name, count in sweeper.run().counts().items() if count}

    return run


def one_of_each(service: UploadService) -> None:
    """Create one leftover of each kind that has an age, and a file that stays."""
    service.put("kept.txt", b"kept", {"Idempotency-Key": "k"})
    service.put("gone.txt", b"gone")
    service.request("DELETE", "/v1/files/default/gone.txt")
    service.store.put(BlobName("demo", uuid7_hex()), b"rowless")
    (service.settings.data / "staging" / "staged").write_bytes(b"x")
    (service.settings.spool_folder / "spooled").write_bytes(b"x")
    Replicas(service.settings.data).announce("dead")
    spool = service.settings.data / "spool" / "dead"
    spool.mkdir()
    (spool / "spooled").write_bytes(b"x")
    ends = int((time.time() + ENDS) * 1000)
    ticket = TicketUse(id="t", max_files=5, expires_at=ends)
    service.records.write(Write(files=(new_file("ends.txt", expires_at=ends),), ticket=ticket))
    service.records.keep_link(kept_link(expires_at=ends))


def test_each_age(service: UploadService, sweep: Sweep) -> None:
    """A leftover stays one second before it reaches its age, and is removed one second after."""
    begun = time.time()
    one_of_each(service)
    for age, counted in TIMELINE.items():
        assert (age, sweep(begun + age - 1)) == (age, set())
        # Each age counts from the current time, because everything was created after `begun`.
        assert (age, sweep(time.time() + age + 1)) == (age, counted)
    assert service.content("kept.txt") == b"kept"
    assert len(service.blobs()) == 1


def test_a_young_body_of_a_dead_replica(service: UploadService, sweep: Sweep) -> None:
    """The sweeper keeps a recent body of a dead replica, whose gateway may still be running."""
    begun = time.time()
    Replicas(service.settings.data).announce("dead")
    os.utime(service.settings.data / "replicas" / "dead", (begun - 2 * LOST,) * 2)
    spool = service.settings.data / "spool" / "dead"
    spool.mkdir()
    (spool / "spooled").write_bytes(b"x")
    assert "spool_files" not in sweep(begun + LOST - 1)
    assert "spool_files" in sweep(time.time() + LOST + 1)


def test_the_very_second(service: UploadService, sweep: Sweep) -> None:
    """A replica is alive until the last second of the limit; a body is removed at its exact age."""
    body = service.settings.spool_folder.parent / "quiet" / "body"
    body.parent.mkdir()
    body.write_bytes(b"x")
    word, written = int(time.time()) + 10, body.stat().st_ctime
    Replicas(service.settings.data).announce("quiet")
    os.utime(service.settings.data / "replicas" / "quiet", (word, word))
    assert sweep(word + LOST) == set()
    assert "spool_files" in sweep(word + LOST + 1)
    body.write_bytes(b"x")
    os.utime(service.settings.data / "replicas" / "quiet", (word - LOST,) * 2)
    written = body.stat().st_ctime
    assert sweep(written + LOST - 1) == set()
    assert sweep(written + LOST) == {"spool_files"}


@pytest.fixture
def sweep_uploads(
    service: UploadService, monkeypatch: pytest.MonkeyPatch
) -> Callable[[float], SweptUploads]:
    """Return a function that sweeps the resumable uploads at a moment (unix seconds)."""

    def run(moment: float) -> SweptUploads:
        with monkeypatch.context() as patched:
            at = functools.partial(upload_sweeper.sweep, clock=lambda: moment)
            patched.setattr(upload_sweeper, "sweep", at)
            return bootstrap.sweep_uploads(service.settings, service.context.backends)()

    return run


SweepUploads = Callable[[float], SweptUploads]


def made(service: UploadService, *names: str, **changes: object) -> tuple[Upload, list[Path]]:
    """Create an upload with bytes; each of `names` is a suffix of the name of one more file."""
    now = int(time.time() * 1000)
    values: dict[str, object] = {
        "id": uuid7_hex(),
        "tenant": "demo",
        "subject": "client-1",
        "bucket": "default",
        "key": "a.bin",
        "length": 100,
        "reserved_bytes": 100,
        "created_at": now,
        "expires_at": now + 1000 * EXPIRY,
    }
    upload = Upload(**{**values, **changes})  # type: ignore[arg-type]
    service.records.uploads.create(upload)
    folder = service.settings.resumable_folder
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{upload.id}{name}" for name in ("", *names)]
    for path in paths:
        path.write_bytes(b"0123456789")
    return upload, paths


@pytest.mark.parametrize("idle", [YOUNG - 1, YOUNG + 1, 4 * YOUNG, EXPIRY - 1])
def test_an_idle_upload(service: UploadService, sweep_uploads: SweepUploads, idle: int) -> None:
    """An idle upload and its waiting slices stay until the upload expires."""
    begun = time.time()
    upload, paths = made(service, "-1000-2", "-refused")
    swept = sweep_uploads(begun + idle)
    assert (swept.names, swept.failures) == ([], 0)
    assert [path.read_bytes() for path in paths] == [b"0123456789"] * 3
    assert service.records.uploads.get("demo", upload.id) == upload


def test_an_upload_that_expires(service: UploadService, sweep_uploads: SweepUploads) -> None:
    """A second after it expires, an upload is removed with its bytes and its reservation."""
    upload, paths = made(service, "-1000-2")
    assert service.records.usage("demo").bytes == 100
    swept = sweep_uploads(time.time() + EXPIRY + 1)
    assert swept.counts() == {"expired_uploads": 1, "rowless_parts": 1}
    assert not any(path.exists() for path in paths)
    assert service.records.uploads.get("demo", upload.id) is None
    assert service.records.usage("demo").bytes == 0


def test_the_last_bytes_count(service: UploadService, sweep_uploads: SweepUploads) -> None:
    """An upload whose row has expired stays for exactly the full period after its last bytes."""
    begun = time.time()
    upload, (path,) = made(service, expires_at=1)
    os.utime(path, (begun, int(begun)))
    assert sweep_uploads(int(begun) + EXPIRY - 1).names == []
    renewed = service.records.uploads.get("demo", upload.id)
    assert renewed is not None
    assert abs(renewed.expires_at / 1000 - path.stat().st_mtime - EXPIRY) < 1
    assert sweep_uploads(int(begun) + EXPIRY).names == [f"expired upload {upload.id}"]


def test_bytes_of_no_upload(service: UploadService, sweep_uploads: SweepUploads) -> None:
    """Bytes without an unfinished upload are removed after 300 s."""
    begun = time.time()
    _, (done,) = made(service, file=new_file("done.bin"))
    rowless = done.with_name(uuid7_hex())
    waiting = done.with_name(f"{uuid7_hex()}-1000-1")
    for path in (rowless, waiting):
        path.write_bytes(b"x")
    assert sweep_uploads(begun + YOUNG - 1).names == []
    last = max(path.stat().st_ctime for path in (done, rowless, waiting))
    assert sweep_uploads(last + YOUNG).rowless_parts == 3
    assert not any(path.exists() for path in (done, rowless, waiting))


def test_a_dry_run_of_uploads(service: UploadService) -> None:
    """A dry run reports the uploads that a run would remove, and changes no file and no row."""
    (old, (path,)), (renewed, _) = made(service, expires_at=1), made(service, expires_at=1)
    os.utime(path, (1, 1))
    rowless = path.with_name(uuid7_hex())
    rowless.write_bytes(b"x")
    swept = upload_sweeper.sweep(
        service.context.uploads,
        service.context.parts,
        expiry_seconds=EXPIRY,
        dry_run=True,
        clock=lambda: time.time() + 2 * YOUNG,
    )
    assert sorted(swept.names) == [f"expired upload {old.id}", f"rowless part {rowless.name}"]
    assert (path.exists(), rowless.exists()) == (True, True)
    for upload in (old, renewed):
        assert service.context.uploads.get("demo", upload.id) == upload


def test_a_part_that_cannot_be_seen(
    service: UploadService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upload with unreadable bytes counts as a failure and stays; other uploads are removed."""
    stuck, *others = (made(service, expires_at=1) for _ in range(3))
    for _, (path,) in (stuck, *others):
        os.utime(path, (1, 1))
    rowless = stuck[1][0].with_name(uuid7_hex())
    rowless.write_bytes(b"x")
    parts = service.context.parts
    stat = os.stat

    def failing(path: str | int, **more: Any) -> os.stat_result:
        if str(path).endswith(f"/{stuck[0].id}"):
            raise OSError(errno.EIO, "Input/output error")
        return stat(path, **more)

    monkeypatch.setattr(os, "stat", failing)
    swept = upload_sweeper.sweep(
        service.context.uploads,
        parts,
        expiry_seconds=EXPIRY,
        clock=lambda: time.time() + 2 * YOUNG,
    )
    assert (swept.failures, swept.expired_uploads, swept.rowless_parts) == (1, 2, 1)
    assert service.context.uploads.get("demo", stuck[0].id) is not None
    monkeypatch.undo()
    assert [path.exists() for _, (path,) in (stuck, *others)] == [True, False, False]


def test_a_complete_upload_is_remembered(
    service: UploadService, sweep_uploads: SweepUploads
) -> None:
    """The row of a complete upload stays as long as an idle upload would, for requests of the
    client.
    """
    begun = time.time()
    upload, _ = made(service, file=new_file("done.bin"))
    sweep_uploads(begun + EXPIRY - 1)
    assert service.records.uploads.get("demo", upload.id) is not None
    assert sweep_uploads(time.time() + EXPIRY + 1).expired_uploads == 0
    assert service.records.uploads.get("demo", upload.id) is None


def test_bytes_that_come_while_parts_are_listed(
    service: UploadService, sweep_uploads: SweepUploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part that was old when it was listed, and has received bytes since, stays."""
    path = service.settings.resumable_folder / uuid7_hex()
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")
    monkeypatch.setattr(
        service.context.parts, "all", lambda: iter([(path.name, time.time() - 2 * YOUNG)])
    )
    assert sweep_uploads(time.time()).rowless_parts == 0
    assert path.exists()
