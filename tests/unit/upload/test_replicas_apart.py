"""Tests of replicas without a shared folder: their settings, requests and sweeping."""

from __future__ import annotations

import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import pytest

from servicekit.ids import uuid7_hex
from servicekit.problems import ProblemError
from servicekit.settings import SettingsError, read
from tests.servers.unfinished import new_upload
from tests.servers.upload import UploadService, ages, new_file
from wharf_upload import webhook_bootstrap
from wharf_upload.database.upload_contract import UploadRecords
from wharf_upload.domain.file_writes import Write
from wharf_upload.domain.resumable_upload import AtAnotherReplica, Upload
from wharf_upload.http import passing_on
from wharf_upload.http.request import Request, Response
from wharf_upload.maintenance import upload_sweeper
from wharf_upload.maintenance.own_disk import OwnDisk
from wharf_upload.maintenance.pictures import KeptPictures
from wharf_upload.maintenance.sweeper import Sweeper
from wharf_upload.processes import background, jobs, worker
from wharf_upload.settings import Settings

_NO_KEYS = "WHARF_SECRETS_KEY_FILE is missing"
HERE, THERE = "10.0.0.1:8089", "10.0.0.2:8089"
APART = {
    "WHARF_DATA": "/srv/wharf",
    "WHARF_DATA_SHARED": "false",
    "WHARF_BLOB_URL": "s3://files?endpoint=https://s3.example.net&region=r",
    "WHARF_BLOB_KEY_FILE": "/keys",
    "WHARF_DATABASE_URL": "postgresql://wharf@db/wharf",
    "WHARF_REPLICA_ADDRESS": HERE,
    "WHARF_SECRETS_KEY_FILE": "/secrets/secrets.keys",
}


def begun(uploads: UploadRecords, replica: str, expires_at: float) -> Upload:
    """Create an upload of 5 bytes; `expires_at` is in unix seconds."""
    upload = new_upload(5, expires_at=int(1000 * expires_at), replica=replica)
    uploads.create(upload)
    return upload


def test_settings_that_fit() -> None:
    """A serving replica needs an address; a worker, and replicas with a shared folder, do not."""
    read(Settings, APART).check_serves()
    read(Settings, {"WHARF_DATA": "/srv/wharf"}).check_serves()
    worker = read(Settings, {**APART, "WHARF_REPLICA_ADDRESS": ""})
    with pytest.raises(SettingsError, match="WHARF_REPLICA_ADDRESS"):
        worker.check_serves()


def test_sealing_keys_of_replicas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a shared folder, no process that seals or signs starts without a named file of keys.

    A worker that only dispatches jobs does not need the file.
    """
    apart = {**APART, "WHARF_DATA": str(tmp_path / "data"), "WHARF_SECRETS_KEY_FILE": ""}
    own = read(Settings, apart)
    remote = {"WHARF_JOBS_ENGINE": "dramatiq", "WHARF_JOBS_URL": "redis://127.0.0.1:9"}
    with pytest.raises(SettingsError, match=_NO_KEYS):
        webhook_bootstrap.ensure_keys(own)
    with pytest.raises(SettingsError, match=_NO_KEYS):
        worker.run_until_signal(own)
    with pytest.raises(SettingsError, match=_NO_KEYS):
        jobs.run_until_signal(read(Settings, {**apart, **remote}))
    assert not Path(apart["WHARF_DATA"]).exists()
    monkeypatch.setattr("servicekit.settings.read", lambda _: own)
    monkeypatch.delitem(sys.modules, "wharf_upload.processes.startup", raising=False)
    with pytest.raises(SystemExit, match=_NO_KEYS):
        import_module("wharf_upload.processes.startup")
    monkeypatch.setattr(background, "stop_at_signal", _stopped)
    with pytest.raises(_StoppedError):
        worker.run_until_signal(read(Settings, {**apart, **remote}))


class _StoppedError(Exception):
    """The process would start now."""


def _stopped() -> None:
    raise _StoppedError


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"WHARF_DATABASE_URL": ""}, "WHARF_DATABASE_URL"),
        ({"WHARF_DATABASE_URL": "sqlite:////x.db"}, "WHARF_DATABASE_URL"),
        ({"WHARF_BLOB_URL": ""}, "WHARF_BLOB_URL"),
        ({"WHARF_DATA_SHARED": "true"}, "WHARF_REPLICA_ADDRESS"),
        ({"WHARF_REPLICA_ADDRESS": "10.0.0.1"}, "WHARF_REPLICA_ADDRESS"),
        ({"WHARF_REPLICA_ADDRESS": "/run/door.sock"}, "WHARF_REPLICA_ADDRESS"),
        ({"WHARF_REPLICA_ADDRESS": "a:1/x"}, "WHARF_REPLICA_ADDRESS"),
        ({"WHARF_REPLICA_ADDRESS": "user@host:80"}, "WHARF_REPLICA_ADDRESS"),
    ],
)
def test_settings_that_contradict(changed: dict[str, str], named: str) -> None:
    """Contradictory settings and malformed addresses are refused by the name of the variable."""
    with pytest.raises(SettingsError, match=named):
        read(Settings, {**APART, **changed})


def asked(**environ: Any) -> Response | ProblemError:
    """Return the response to a request whose upload is at another replica."""
    request = Request({"REQUEST_METHOD": "PATCH", "PATH_INFO": "/v1/uploads/x", **environ}, "")
    return passing_on.answer(request, AtAnotherReplica(THERE))


@pytest.mark.parametrize(
    "environ", [{}, {"CONTENT_LENGTH": "0"}, {"CONTENT_LENGTH": "9", "SPOOL_FILE": "/spool/1"}]
)
def test_passed_on(environ: dict[str, str]) -> None:
    """A request is redirected to the other replica if its body is absent or on this machine."""
    redirect = [("X-Accel-Redirect", "@passed_on"), ("X-Wharf-Replica", THERE)]
    assert asked(**environ) == Response(200, redirect)


def test_passed_on_before_the_body() -> None:
    """The gateway question before the body returns only the other replica, and no admission."""
    found = asked(WHARF_STEP="admit", CONTENT_LENGTH="9")
    assert found == Response(204, [("X-Wharf-Replica", THERE)])


def test_not_passed_on() -> None:
    """A request that was passed on already, or that nginx already streams, gets a problem."""
    for environ in ({"WHARF_STEP": "admit"}, {}, {"SPOOL_FILE": "/spool/1"}):
        again = asked(WHARF_PASSED_ON="1", **environ)
        assert isinstance(again, ProblemError)
        assert (again.problem.slug, again.problem.status) == ("upload-apart", 503)
    streamed = asked(CONTENT_LENGTH="9", ADMISSION="x")
    assert isinstance(streamed, ProblemError)
    assert streamed.problem.slug == "parts-apart"


def test_expired_uploads_of_others(upload: UploadService) -> None:
    """A replica ends its own expired uploads immediately, and uploads of other replicas later.

    Before that time the other replica can renew its upload.
    """
    context, now = upload.context, time.time()
    own, other = (begun(context.uploads, replica, now - 0.5) for replica in (HERE, THERE))
    gone = begun(context.uploads, THERE, now - 900)
    context.parts.create(own.id)

    def swept(**how: Any) -> int:
        found = upload_sweeper.sweep(context.uploads, context.parts, expiry_seconds=0, **how)
        return found.expired_uploads

    assert swept(patience_seconds=600) == 1
    assert context.uploads.get("demo", gone.id) is None
    assert swept(replica=HERE) == 1
    assert list(context.parts.all()) == []
    assert context.uploads.get("demo", other.id) is not None
    assert upload.records.usage("demo").bytes == 5


def test_own_uploads_that_still_get_bytes(upload: UploadService) -> None:
    """A replica renews its own upload while bytes arrive, so that no other replica ends it."""
    context, now = upload.context, time.time()
    own = begun(context.uploads, HERE, now - 60)
    context.parts.create(own.id)
    upload_sweeper.sweep(context.uploads, context.parts, expiry_seconds=3600, replica=HERE)
    found = context.uploads.get("demo", own.id)
    assert found is not None
    assert found.expires_at > 1000 * now


def kept_picture(data: Path, blob: str) -> Path:
    """Create a picture as nginx stores it, with a blob's name in its header."""
    path = data / "pictures" / "a" / blob
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\5\0" * 100 + f"\nKEY: 64 demo/{blob[8:10]}/{blob}\n".encode() + b"picture")
    return path


def test_pictures_of_deleted_files(upload: UploadService) -> None:
    """The pictures of blobs without a row are removed, whichever worker removed the blobs."""
    data = upload.settings.data
    upload.put("a.png", b"png")
    (file,) = upload.records.live_files()
    lives, gone = kept_picture(data, file.blob), kept_picture(data, uuid7_hex())
    (data / "pictures" / "a" / "no-picture").write_text("")
    doomed = new_file("b.png")
    upload.records.write(Write(files=(doomed,)))
    upload.records.delete("demo", "default", "b.png", None)
    waits = kept_picture(data, doomed.blob)
    body = data / "spool" / "native" / "0000000001"
    body.parent.mkdir(parents=True, exist_ok=True)
    body.write_bytes(b"body")
    context = upload.context
    OwnDisk(
        Sweeper(
            upload.store, upload.records, data / "spool", ages(0), clock=lambda: time.time() + 9
        ),
        lambda: upload_sweeper.sweep(
            context.uploads, context.parts, expiry_seconds=0, replica=HERE
        ),
        KeptPictures(data),
        upload.records,
        sweep_seconds=1,
    ).sweep()
    assert [path.exists() for path in (lives, waits, gone)] == [True, True, False]
    assert not body.exists()
    assert upload.content("a.png") == b"png"


def test_whole_file_of_another_replica(upload: UploadService) -> None:
    """Any replica reports a complete upload; only its own replica reports an unfinished upload."""
    held = upload.context.resumable_uploads
    unfinished = begun(upload.context.uploads, THERE, time.time() + 60)
    held.require_here(unfinished)  # With a shared folder every upload is local.
    held._held.replica = HERE
    with pytest.raises(AtAnotherReplica):
        held.require_here(unfinished)
    held.require_here(msgspec.structs.replace(unfinished, file=new_file("a.bin")))
    held.require_here(msgspec.structs.replace(unfinished, replica=HERE))
    held.require_here(msgspec.structs.replace(unfinished, replica=""))
