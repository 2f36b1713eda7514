"""Tests that the sweeper removes what no row names, when it is old enough, and nothing else."""

from __future__ import annotations

import errno
import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from servicekit.ids import uuid7_hex
from tests.servers.endpoints import added
from tests.servers.rounds import Rounds
from tests.servers.upload import UploadService, ages, new_file
from tests.servers.upload_invariants import live
from wharf_upload import bootstrap
from wharf_upload.domain.file_writes import TicketUse, Write
from wharf_upload.domain.jobs import NewJob
from wharf_upload.maintenance import integrity, sweep_metrics, upload_sweeper
from wharf_upload.maintenance.replicas import Replicas
from wharf_upload.maintenance.sweeper import Ages, Sweeper, Swept
from wharf_upload.storage.base import BlobName, StoreError
from wharf_upload.storage.local import LocalStore

_NEVER, _LATER = 3600.0, 7200.0


def litter(upload: UploadService) -> None:
    """Create a live file, a deleted file, a rowless blob, and staged and spooled leftovers."""
    upload.put("kept.txt", b"kept")
    upload.put("gone.txt", b"gone")
    upload.request("DELETE", "/v1/files/default/gone.txt")
    upload.store.put(BlobName("demo", uuid7_hex()), b"rowless")
    (upload.settings.data / "staging" / "staged").write_bytes(b"x")
    (upload.settings.spool_folder / "spooled").write_bytes(b"x")


def sweep(upload: UploadService, seconds: float, ahead: float, *, dry_run: bool = False) -> Swept:
    """Sweep what is older than `seconds`, with a clock that is `ahead` seconds fast."""
    root = upload.settings.spool_folder.parent
    begin = os.stat(upload.settings.data / "staging").st_mtime
    clock = lambda: begin + ahead  # noqa: E731 -- store and sweeper need the same clock
    return Sweeper(
        upload.store,
        upload.records,
        root,
        ages(seconds),
        dry_run=dry_run,
        clock=clock,
        replicas=Replicas(upload.settings.data, clock),
    ).run()


def files(upload: UploadService) -> set[Path]:
    folders = ("tenants", "staging", "spool")
    return {path for name in folders for path in (upload.settings.data / name).rglob("*")}


def test_young_things_stay(upload: UploadService) -> None:
    """A leftover that is younger than its age limit stays: it may belong to an upload under way."""
    litter(upload)
    before = files(upload)
    swept = sweep(upload, seconds=_NEVER, ahead=60)
    assert not any(swept.counts().values())
    assert files(upload) == before


def test_old_things_go(upload: UploadService) -> None:
    """Each kind of leftover is removed and counted once, and live files stay."""
    litter(upload)
    swept = sweep(upload, seconds=_NEVER, ahead=_LATER)
    assert swept.counts() == {
        "expired_files": 0,
        "deleted_blobs": 1,
        "rowless_blobs": 1,
        "rowless_bytes": len(b"rowless"),
        "leftovers": 1,
        "spool_files": 1,
        "dead_replicas": 0,
        "idempotency_keys": 0,
        "events": 0,
        "purged_rows": 0,
        "ticket_uses": 0,
        "expired_links": 0,
        "revoked_links": 0,
        "dead_jobs": 0,
        "deliveries": 0,
        "failures": 0,
    }
    assert upload.content("kept.txt") == b"kept"
    assert len(upload.blobs()) == 1
    assert not any(sweep(upload, seconds=_NEVER, ahead=_LATER).counts().values())


def test_dry_run(upload: UploadService) -> None:
    """A dry run names and counts what the next run removes, and removes nothing."""
    litter(upload)
    Replicas(upload.settings.data).announce("dead")
    before, doomed = files(upload), upload.records.pending_deletion(1 << 60, 10)
    dry = sweep(upload, seconds=_NEVER, ahead=_LATER, dry_run=True)
    assert files(upload) == before
    assert upload.records.pending_deletion(1 << 60, 10) == doomed
    kinds = ["deleted", "staged", "spooled", "replica", "rowless"]
    assert [name.split()[0] for name in dry.names] == kinds
    assert dry.names[2:4] == [f"spooled {upload.settings.instance}/spooled", "replica dead"]
    assert (upload.settings.data / "replicas" / "dead").exists()
    real = sweep(upload, seconds=_NEVER, ahead=_LATER)
    assert real.counts() == dry.counts()
    assert real.names == []


def test_more_than_a_batch(upload: UploadService) -> None:
    """More deleted and rowless blobs than one batch are all removed."""
    expired = tuple(new_file(f"expired/{number}", expires_at=1) for number in range(201))
    upload.records.write(Write(files=expired))
    for number in range(450):
        upload.store.put(BlobName("demo", uuid7_hex()), b"x")
        upload.records.write(Write(files=(new_file(f"{number}"),)))
        upload.records.delete("demo", "default", f"{number}", None)
    swept = sweep(upload, seconds=_NEVER, ahead=_LATER)
    assert (swept.deleted_blobs, swept.rowless_blobs, swept.expired_files) == (450, 450, 201)
    assert upload.blobs() == set()


def test_without_the_walk(upload: UploadService) -> None:
    """A run without the walk over the store leaves rowless blobs to a later walk."""
    litter(upload)
    root = upload.settings.spool_folder.parent
    sweeper = Sweeper(upload.store, upload.records, root, ages(0))
    assert sweeper.run(blobs=False).rowless_blobs == 0
    assert sweeper.run().rowless_blobs == 1


def test_doomed_blob_of_a_moved_file(upload: UploadService) -> None:
    """The blob of a moved file stays."""
    upload.put("a.txt", b"moved")
    body, headers = b'{"key": "b.txt"}', {"Content-Type": "application/json"}
    assert upload.request("PATCH", "/v1/metadata/default/a.txt", body, headers).status_code == 200
    sweep(upload, seconds=_NEVER, ahead=_LATER)
    assert upload.content("b.txt") == b"moved"


def test_missing_spool(upload: UploadService) -> None:
    """Without a spool folder everything else is swept."""
    litter(upload)
    missing = upload.settings.data / "missing"
    swept = Sweeper(upload.store, upload.records, missing, ages(0)).run()
    assert (swept.leftovers, swept.spool_files) == (1, 0)


@pytest.mark.parametrize("read_all", [False, True])
def test_check(upload: UploadService, *, read_all: bool) -> None:
    """The check reports missing and cut files, and changed ones if it reads all bytes."""
    for name in ("whole", "missing", "cut", "changed"):
        upload.put(f"{name}.txt", b"content")
    blobs = {file.key: file for file in upload.records.live_files()}
    folder = upload.settings.data / "tenants"
    for key, content in (("cut.txt", b"cont"), ("changed.txt", b"CONTENT")):
        path = folder / upload.store.gateway_place(BlobName("demo", blobs[key].blob)).location
        path.chmod(0o600)
        path.write_bytes(content)
    upload.store.delete(BlobName("demo", blobs["missing.txt"].blob))
    lines = list(integrity.faults(upload.store, upload.records, read_all=read_all))
    named = {line.partition(":")[0].rpartition("/")[2] for line in lines}
    assert named == {"missing.txt", "cut.txt"} | ({"changed.txt"} if read_all else set())
    assert len(live(upload)) == 4


def test_blob_that_cannot_be_removed(
    upload: UploadService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A blob that cannot be removed counts as a failure and stays; all other blobs are removed."""
    litter(upload)
    doomed = upload.records.pending_deletion(1 << 60, 10)[0].blob
    rowless = BlobName("demo", uuid7_hex())
    upload.store.put(rowless, b"rowless")
    delete = LocalStore.delete

    def failing(store: LocalStore, name: BlobName) -> None:
        if name.blob in {doomed, rowless.blob}:
            raise StoreError("stuck")
        delete(store, name)

    monkeypatch.setattr(LocalStore, "delete", failing)
    swept = sweep(upload, seconds=_NEVER, ahead=_LATER)
    assert (swept.failures, swept.rowless_blobs, swept.leftovers) == (2, 2, 1)
    assert rowless.blob in upload.blobs()
    assert [entry.blob for entry in upload.records.pending_deletion(1 << 60, 10)] == [doomed]


def test_a_store_that_removes_nothing(
    upload: UploadService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the store refuses a whole batch, all its blobs are counted and stay pending."""
    for key in ("a", "b"):
        upload.put(key, b"content")
        upload.request("DELETE", f"/v1/files/default/{key}")

    def refuse(*_: object) -> list[BlobName]:
        raise StoreError("away")

    monkeypatch.setattr(type(upload.store), "delete_all", refuse)
    assert sweep(upload, seconds=_NEVER, ahead=_LATER).failures == 2
    assert len(upload.records.pending_deletion(1 << 60, 10)) == 2


def test_links_in_the_spool(upload: UploadService, tmp_path: Path) -> None:
    """The sweeper follows no symbolic link in the spool, and does not treat it as a body."""
    outside, spool = tmp_path / "outside", upload.settings.spool_folder
    outside.mkdir()
    (outside / "file").write_bytes(b"x")
    (spool.parent / "link").symlink_to(outside)
    (spool / "link").symlink_to(outside / "file")
    (spool / "nowhere").symlink_to("nowhere")
    swept = sweep(upload, seconds=_NEVER, ahead=_LATER)
    assert (swept.spool_files, swept.failures) == (0, 0)
    assert (outside / "file").exists()
    assert (spool / "link").is_symlink()


def test_files_that_cannot_be_removed(
    upload: UploadService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that cannot be removed are counted, and all other files are removed.

    The files are in the spool, in staging, or belong to resumable uploads.
    """
    litter(upload)
    for folder in ("staging", "resumable", str(upload.settings.spool_folder)):
        for name in ("stuck", "free"):
            (upload.settings.data / folder / name).write_bytes(b"x")
    unlink = os.unlink

    def failing(path: str) -> None:
        if str(path).endswith("stuck"):
            raise PermissionError(errno.EPERM, "immutable", path)
        unlink(path)

    monkeypatch.setattr(os, "unlink", failing)
    swept = sweep(upload, seconds=_NEVER, ahead=_LATER)
    assert (swept.failures, swept.leftovers, swept.spool_files) == (2, 2, 2)
    assert (swept.deleted_blobs, swept.rowless_blobs) == (1, 1)
    service = upload.context
    parts = upload_sweeper.sweep(
        service.uploads, service.parts, expiry_seconds=1, clock=lambda: time.time() + _LATER
    )
    assert (parts.failures, parts.rowless_parts) == (1, 1)
    assert sweep_metrics.counts(swept, parts)["failures"] == 3


def test_folders_that_cannot_be_read(
    upload: UploadService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that cannot be read is counted, and all other folders are swept."""
    litter(upload)
    bad = upload.settings.spool_folder.parent / "bad"
    bad.mkdir()
    scandir = os.scandir

    def failing(path: str) -> object:
        if os.path.basename(path) in ("bad", "staging", "resumable"):
            raise OSError(errno.EIO, "Input/output error", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", failing)
    swept = sweep(upload, seconds=_NEVER, ahead=_LATER)
    assert (swept.failures, swept.leftovers, swept.spool_files) == (2, 0, 1)
    assert (swept.deleted_blobs, swept.rowless_blobs) == (1, 1)
    service = upload.context
    assert upload_sweeper.sweep(service.uploads, service.parts, expiry_seconds=1).failures == 1


def test_a_failing_disk_does_not_end_the_worker(
    upload: UploadService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a run that a disk error ended, the next run skips the walk over the store."""
    walks: list[bool] = []
    stop = Rounds(9)

    def run(_: Sweeper, *, blobs: bool) -> Swept:
        walks.append(blobs)
        if len(walks) == 1:
            raise OSError(errno.ESTALE, "Stale file handle")
        stop.set()
        return Swept()

    monkeypatch.setattr(Sweeper, "run", run)
    settings = replace(upload.settings, sweep_seconds=1)
    bootstrap.worker_loop(settings, upload.context.backends).run(stop)
    assert walks == [True, False]


def test_everything_of_a_purged_tenant_goes(upload: UploadService) -> None:
    """Rows and blobs of a purged tenant are removed, even if they are added after a first run."""
    upload.put("kept", b"1")
    upload.tenant = "gone"
    upload.put("a", b"2")
    root = upload.settings.spool_folder.parent
    sweeper = Sweeper(
        upload.store, upload.records, root, ages(-60), purged=lambda: frozenset({"gone"})
    )
    rows = sweeper.run(blobs=False).purged_rows
    assert rows > 0
    assert [found.name.tenant for found in upload.store.blobs()] == ["demo"]
    assert upload.request("GET", "/v1/usage").get_json()["files"] == 0
    upload.put("late", b"3")
    assert sweeper.run(blobs=False).purged_rows == 0
    assert sweeper.run(blobs=True).purged_rows > 0
    assert upload.records.file("gone", "default", "late") is None
    assert upload.records.file("demo", "default", "kept") is not None
    for upload.tenant in ("more", "most"):
        upload.put("a", b"2")
    both = Sweeper(
        upload.store, upload.records, root, ages(), purged=lambda: frozenset({"more", "most"})
    )
    assert both.run(blobs=False).purged_rows == 2 * rows


def test_ticket_uses_are_kept_long_enough(upload: UploadService) -> None:
    """A ticket's count stays for a lease after the end of the last ticket that can share the
    count.
    """
    expires = 1_900_000_000
    use = TicketUse(id="t", max_files=5, expires_at=1000 * expires)
    upload.records.write(Write(files=(new_file("a.txt"),), ticket=use))
    kept = expires + 24 * 3600 + _NEVER
    sweep(upload, seconds=_NEVER, ahead=kept - time.time() - 60)
    assert upload.records.ticket_uses("demo", "t") == 1
    assert sweep(upload, seconds=_NEVER, ahead=kept - time.time() + 60).ticket_uses == 1
    assert upload.records.ticket_uses("demo", "t") == 0


def test_old_events_are_forgotten_with_the_walk(upload: UploadService) -> None:
    """The hourly walk deletes events older than the limit, except the newest event."""
    for body in (b"1", b"2", b"3"):
        upload.put("a", body)
    root = upload.settings.spool_folder.parent
    kept = Ages(lease=3600, deleted_grace=3600, idempotency=3600, events=-60)
    sweeper = Sweeper(upload.store, upload.records, root, kept)
    assert sweeper.run(blobs=False).events == 0
    assert sweeper.run(blobs=True).events == 2
    assert [event.kind for event in upload.records.events("demo", 0, 10)] == ["file.replaced"]


def body_of(upload: UploadService, replica: str) -> Path:
    """Create a body in the spool of a replica that has announced itself once."""
    Replicas(upload.settings.data).announce(replica)
    path = upload.settings.data / "spool" / replica / "0000000001"
    path.parent.mkdir()
    path.write_bytes(b"body")
    return path


def test_the_spool_of_a_dead_replica(upload: UploadService) -> None:
    """Bodies of a dead replica are removed long before bodies of a live replica."""
    dead, living = body_of(upload, "dead"), body_of(upload, "living")
    later = time.time() + 301
    os.utime(upload.settings.data / "replicas" / "living", (later, later))
    assert sweep(upload, seconds=_NEVER, ahead=299).spool_files == 0
    assert sweep(upload, seconds=_NEVER, ahead=302).spool_files == 1
    assert not dead.exists()
    assert living.exists()
    # The folder stays, because the gateway may still be running.
    assert dead.parent.exists()


def test_who_never_said_a_word_is_not_dead(upload: UploadService) -> None:
    """Bodies of a gateway whose service never announced itself stay as those of live replicas."""
    path = body_of(upload, "quiet")
    (upload.settings.data / "replicas" / "quiet").unlink()
    assert sweep(upload, seconds=_NEVER, ahead=_NEVER - 60).spool_files == 0
    assert path.exists()
    assert sweep(upload, seconds=_NEVER, ahead=_LATER).spool_files == 1


def test_what_is_left_of_a_dead_replica(upload: UploadService) -> None:
    """A dead replica's folders are removed in the end, and those of live replicas are not."""
    dead, living = body_of(upload, "dead"), body_of(upload, "living")
    heard = upload.settings.data / "upload" / "dead" / "revocations.jsonl"
    heard.parent.mkdir()
    heard.touch()
    answers = upload.settings.data / "answers" / "dead"
    answers.mkdir(parents=True)
    answers.joinpath(".nfs0001").touch()
    later = time.time() + _LATER
    os.utime(upload.settings.data / "replicas" / "living", (later, later))
    swept = sweep(upload, seconds=_NEVER, ahead=_LATER)
    assert swept.dead_replicas == 1
    assert not dead.parent.exists()
    assert not heard.parent.exists()
    assert not answers.exists()
    assert living.parent.exists()
    assert os.listdir(upload.settings.data / "replicas") == ["living"]
    assert upload.settings.data.joinpath("upload", "upload.db").exists()
    # Another worker may remove the same folders.
    Replicas(upload.settings.data).forget("dead")


def test_a_replica_says_that_it_lives(tmp_path: Path) -> None:
    """A replica announces itself at least once; its silence begins with its last announcement."""
    replicas, stop = Replicas(tmp_path, lambda: time.time() + 100), threading.Event()
    assert replicas.silent_seconds("a") is None
    stop.set()
    replicas.announce_until(stop, "a")
    silent = replicas.silent_seconds("a")
    assert silent is not None
    assert list(replicas.silent_ones(99)) == ["a"]
    assert list(replicas.silent_ones(10_000)) == []


def test_what_nfs_keeps(upload: UploadService) -> None:
    """Files that NFS keeps of deleted open files are not treated as leftovers."""
    upload.put("kept.txt", b"kept")
    (blob,) = (upload.settings.data / "tenants").rglob("*/*/*")
    for number in range(10):
        (upload.settings.spool_folder / f".nfs{number:024}").touch()
    folders = (
        blob.parent,
        upload.settings.data / "staging",
        upload.settings.spool_folder,
        upload.settings.resumable_folder,
    )
    for folder in folders:
        (folder / ".nfs000000000000002a00000001").touch()
    assert not any(sweep(upload, seconds=_NEVER, ahead=_LATER).counts().values())
    service = upload.context
    swept = upload_sweeper.sweep(
        service.uploads, service.parts, expiry_seconds=1, clock=lambda: time.time() + _LATER
    )
    assert swept.rowless_parts == 0
    # The listing has these names between others, in any order.
    (upload.settings.spool_folder / "spooled").write_bytes(b"x")
    for number in range(10, 20):
        (upload.settings.spool_folder / f".nfs{number:024}").touch()
    assert sweep(upload, seconds=_NEVER, ahead=_LATER).spool_files == 1
    assert all((folder / ".nfs000000000000002a00000001").exists() for folder in folders)


def test_old_dead_jobs_are_forgotten(upload: UploadService) -> None:
    """A dead job is removed when it is older than `WHARF_JOBS_DEAD_SECONDS`, and not before."""
    jobs = upload.records.jobs
    jobs.add([NewJob(lane="bulk", tenant="demo", subject="x")])
    (turn,) = jobs.take("bulk", {"demo": 1}, 60)
    job = jobs.begin(turn)
    assert job is not None
    jobs.bury(job, "why")
    assert bootstrap.sweeper(upload.settings, upload.context.backends).run().dead_jobs == 0
    settings = replace(upload.settings, jobs_dead_seconds=-60)
    assert bootstrap.sweeper(settings, upload.context.backends).run().dead_jobs == 1
    assert upload.records.kept_jobs.jobs(dead=True, limit=1) == []


def test_old_deliveries_are_forgotten(upload: UploadService) -> None:
    """The sweeper removes ended deliveries after the period, and an endpoint's surplus hourly."""
    name = added(upload).endpoint.id
    for number in range(3):
        upload.put(str(number), b"text")
    upload.records.fan_out.fan_out("demo", name)
    with upload.database.transaction() as connection:
        connection.execute("UPDATE deliveries SET state = 'done'")

    def swept(*, blobs: bool = True, most: int = 100) -> int:
        settings = replace(upload.settings, webhook_max_deliveries=most)
        run = bootstrap.sweeper(settings, upload.context.backends).run(blobs=blobs)
        return run.deliveries

    assert swept() == 0
    assert swept(most=2, blobs=False) == 0
    assert swept(most=2) == 1
    with upload.database.transaction() as connection:
        connection.execute("UPDATE deliveries SET created_at = 1")
    assert swept(blobs=False) == 2
    assert upload.records.deliveries.deliveries("demo", name, limit=9) == []
