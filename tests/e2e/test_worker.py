"""The worker's background work: expired files, deleted tenants, receivers of signals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_small_pictures import photo
from tests.servers.wharf.api_client import LARGE, SMALL
from tests.servers.wharf.instance import Wharf, running
from tests.servers.wharf.raw_http import until
from tests.servers.wharf.tenants import Signer, Tenants
from tests.servers.wharf.traces import rows, traces

SECONDS = 30
RECEIVERS = """
import os
from pathlib import Path
from wharf_upload import signals

def note(name):
    def receiver(tenant, **arguments):
        what = arguments["file"].key if "file" in arguments else arguments["slug"]
        with open(os.environ["WHARF_TEST_NOTES"], "a") as notes:
            notes.write(f"{name} {tenant} {what}\\n")
    return receiver

receivers = {name: note(name) for name in ("accepted", "rejected", "deleted", "expired")}
for name, receiver in receivers.items():
    getattr(signals, name).connect(receiver)
"""


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a module of receivers, and return the path of the file in which they record signals."""
    folder = tmp_path_factory.mktemp("receivers")
    (folder / "noting_receivers.py").write_text(RECEIVERS)
    return folder / "notes"


@pytest.fixture(scope="module")
def busy(notes: Path) -> Iterator[Wharf]:
    """Start a Wharf with receivers of signals; its worker runs every second without grace times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(notes.parent))
        with running(
            WHARF_SWEEP_SECONDS="1",
            WHARF_DELETED_GRACE_SECONDS="0",
            WHARF_TENANT_GRACE_SECONDS="0",
            WHARF_RECEIVERS="noting_receivers",
            WHARF_TEST_NOTES=str(notes),
        ) as found:
            yield found


def told(notes: Path) -> list[str]:
    """Return the recorded signals, in order."""
    return notes.read_text().splitlines() if notes.exists() else []


def test_receivers_are_told_in_both_processes(busy: Wharf, notes: Path) -> None:
    """The service sends signals for uploads, refusals and deletions.

    The worker sends signals for files that expire.
    """
    api = Signer(busy).client()
    bucket = {"expire_after_seconds": 1, "max_file_bytes": len(LARGE)}
    assert api.send_json("PUT", "/v1/buckets/brief", bucket).status == 201
    api.stored("gone", SMALL)
    api.delete("gone")
    api.stored("old", LARGE, bucket="brief")
    api.put("more", LARGE + SMALL, bucket="brief").problem(413, "too-large")
    tenant = api.tenant
    assert until(lambda: f"expired {tenant} old" in told(notes), SECONDS)
    assert [line for line in told(notes) if tenant in line] == [
        f"accepted {tenant} gone",
        f"deleted {tenant} gone",
        f"accepted {tenant} old",
        f"rejected {tenant} too-large",
        f"expired {tenant} old",
    ]
    assert until(lambda: not traces(busy, tenant).blobs, SECONDS)
    assert api.get("/v1/usage").json()["files"] == 0


def test_a_deleted_tenant_leaves_nothing(busy: Wharf) -> None:
    """After its grace time a deleted tenant has no data left, and other tenants keep theirs."""
    tenants = Tenants(busy)
    gone, kept = tenants.tenant(), tenants.tenant()
    for api in (gone, kept):
        api.stored("large", LARGE)
        api.stored("small", SMALL)
        assert api.send_json("PUT", "/v1/buckets/photos", {}).status == 201
    target = f"/auth/v1/tenants/{gone.tenant}"
    assert tenants.admin.request("DELETE", target).status == 200
    assert until(lambda: not list(rows(busy, gone.tenant)), SECONDS)
    assert until(lambda: not traces(busy, gone.tenant).blobs, SECONDS)
    gone.file("small").problem(403, "tenant-suspended")
    assert kept.file("large").body == LARGE
    assert kept.listed() == ["large", "small"]


def test_small_pictures(busy: Wharf) -> None:
    """After a file is deleted, the worker deletes the file's small pictures."""
    folder = busy.data / "pictures" / "native"
    api = Signer(busy).client()
    before = set(folder.rglob("*"))
    api.stored("a.jpg", photo())
    for width in (64, 1024):
        assert api.file(f"a.jpg?w={width}").status == 200

    def new() -> set[Path]:
        """Return the new cached pictures; nginx names a cache file shortly after its response."""
        return {path for path in set(folder.rglob("*")) - before if path.is_file()}

    assert until(lambda: len(new()) == 2, SECONDS)
    kept = new()
    assert api.delete("a.jpg").status == 204
    assert until(lambda: not any(path.exists() for path in kept), SECONDS)
    assert api.file("a.jpg?w=64").status == 404
