"""Data of an earlier release under today's code: nothing is lost, and everything works."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from pathlib import Path

import pytest

from tests.e2e.releases.upgraded import Upgraded
from tests.servers.promised import RIGHTS_SECONDS, holds
from tests.servers.releases.laid import CREDENTIALS, RELEASES, lay
from tests.servers.wharf.api_client import SMALL
from tests.servers.wharf.raw_http import until
from tests.servers.wharf.tenants import Signer, Tenants
from tests.servers.wharf.tus_client import Tus
from wharf_upload import __version__

WHOLE = bytes(range(256)) * 32
PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)


def test_files(upgraded: Upgraded) -> None:
    """Every file is listed as before, and its bytes match its digest."""
    demo = upgraded.demo
    for bucket, before in upgraded.found["listed"].items():
        listed = demo.get(f"/v1/files/{bucket}?limit=1000").json()["files"]
        named = {one["key"] for one in before}
        assert [one for one in listed if one["key"] in named] == before
        for one in before:
            content = demo.get(one["links"]["content"]).body
            assert hashlib.sha256(content).hexdigest() == one["sha256"], one["key"]


def test_policy_and_limits(upgraded: Upgraded) -> None:
    """The bucket's policy and the tenant's limits still apply."""
    demo = upgraded.demo
    policy = demo.get("/v1/buckets/photos").json()
    assert (policy["max_file_bytes"], policy["allowed_types"]) == (4096, ["image/*"])
    assert policy["cors_origins"] == ["https://app.example"]
    demo.put("a.png", SMALL, bucket="photos").problem(415, "type-not-allowed")
    demo.put("a.png", bytes(5000), bucket="photos").problem(413, "too-large")
    assert demo.put("a.png", PNG, bucket="photos").status == 201
    admin = Tenants(upgraded.wharf).admin
    limits = admin.get("/v1/tenants/demo/limits").json()["limits"]
    assert (limits["max_files"], limits["max_bytes"]) == (100, 1 << 30)


def test_link(upgraded: Upgraded) -> None:
    """A signed link of an earlier release opens its file."""
    assert upgraded.anyone.get(upgraded.found["link"]).body == SMALL


def test_resumable_upload(upgraded: Upgraded) -> None:
    """An unfinished upload of an earlier release continues at its offset."""
    tus = Tus(upgraded.demo)
    address, arrived = upgraded.found["upload"], upgraded.found["arrived"]
    assert tus.offset(address) == arrived
    assert tus.patch(address, arrived, WHOLE[arrived:]).status == 204
    content = tus.api.file("unfinished.bin").body
    assert hashlib.sha256(content).hexdigest() == upgraded.found["whole_sha256"]


def test_ticket(upgraded: Upgraded) -> None:
    """A ticket for two files that stored one file before the upgrade can store one more."""
    ticket = upgraded.found["ticket"]
    token = Signer(upgraded.wharf).token(
        tid="demo",
        jti=ticket["jti"],
        sub=ticket["sub"],
        scope="files:write",
        ticket=ticket["rules"],
    )
    by = upgraded.anyone.using(token)
    assert by.put("in/second.txt").status == 201
    by.put("in/third.txt").problem(403, "ticket-used-up")


def test_repeated_request(upgraded: Upgraded) -> None:
    """A request that is repeated after the upgrade gets the response of the earlier release."""
    again = upgraded.demo.put("once.txt", SMALL, {"Idempotency-Key": "the-same-request"})
    assert again.json() == upgraded.found["repeated"]


def test_who_was_refused(upgraded: Upgraded) -> None:
    """A suspended tenant and a revoked token of an earlier release are still refused."""
    signer = Signer(upgraded.wharf)
    suspended = upgraded.anyone.using(signer.token(tid=upgraded.found["suspended"]))
    suspended.get("/v1/usage").problem(403, "tenant-suspended")
    revoked = upgraded.anyone.using(signer.token(tid="demo", jti=upgraded.found["revoked"]))
    revoked.get("/v1/usage").problem(401, "token-revoked")
    assert upgraded.anyone.using(signer.token(tid="demo")).get("/v1/usage").status == 200


def test_events(upgraded: Upgraded) -> None:
    """The list has the events of an earlier release from the first event on, then new events."""
    owner = upgraded.person().api
    before = upgraded.found["events"]
    upgraded.demo.stored("after-the-upgrade.txt")
    told = owner.get("/v1/events?limit=1000").json()["events"]
    assert [[one["id"], one["kind"]] for one in told[: len(before)]] == before
    assert told[-1]["kind"] == "file.created"
    assert told[-1]["file"]["key"] == "after-the-upgrade.txt"
    assert [one["id"] for one in told] == sorted({one["id"] for one in told})


def test_grants(upgraded: Upgraded) -> None:
    """A client or person of an earlier release reaches everything; new grants apply within 5 s."""
    demo, admin = upgraded.demo, Tenants(upgraded.wharf).admin
    clients = "/auth/v1/tenants/demo/clients"
    listed = admin.get(clients).json()["clients"]
    assert {one["grants"] for one in listed} == {None}
    assert upgraded.person().api.get("/auth/me").json()["grants"] is None
    name = CREDENTIALS["demo"]["client_id"]
    change = {"grants": [{"bucket": "photos", "actions": ["read", "list"]}]}
    assert admin.send_json("PATCH", f"{clients}/{name}", change).status == 200
    assert holds(lambda: demo.get("/v1/files/default").status == 404)
    assert demo.get("/v1/files/photos").status == 200
    assert admin.send_json("PATCH", f"{clients}/{name}", {"grants": None}).status == 200
    # Other tests use this client, so the test waits until
    # each process has read the change from the feed.
    time.sleep(RIGHTS_SECONDS)
    assert demo.get("/v1/files/default").status == 200


def test_the_replica_says_its_release(upgraded: Upgraded) -> None:
    """The replica's file, which was empty before, states the release of the replica."""
    path = upgraded.wharf.data / "replicas" / "native"
    assert until(lambda: path.read_text().startswith(f"{__version__} "), 15)


def test_nothing_is_amiss(upgraded: Upgraded) -> None:
    """The upload service is ready, and the logs of auth and upload contain no error."""
    assert upgraded.anyone.get("/readyz").status == 200
    for name in ("auth", "upload"):
        lines = upgraded.wharf.log_lines(name)
        assert [line for line in lines if line.get("level") in ("error", "critical")] == []


@pytest.mark.parametrize("release", RELEASES)
def test_no_time_has_passed(release: str, tmp_path: Path) -> None:
    """The times in old test data are moved to the present, so a new upload has not expired."""
    lay(release, tmp_path / "data")
    with sqlite3.connect(tmp_path / "data" / "upload" / "upload.db") as database:
        ((expires_at,),) = database.execute("SELECT expires_at FROM uploads")
    assert 23 * 3600 < expires_at / 1000 - time.time() < 25 * 3600
