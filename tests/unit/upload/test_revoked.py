"""Tests of revoked tokens and suspended tenants, for each way that a request takes."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from servicekit.feed_follower import FeedFollower
from servicekit.revocations import Revocations
from servicekit.testing import Issuer
from tests.servers.exposition import Exposition
from tests.servers.feed import FakeFeed, serving_feed
from tests.servers.upload import BOUNDARY, UploadService, assemble, form_body, settings_for
from tests.servers.wharf.raw_http import until

FORM = f"multipart/form-data; boundary={BOUNDARY}"


def publish(upload: UploadService, feed: FakeFeed) -> None:
    """Fetch the feed as the mule does each second, and let this worker's next check read it."""
    with serving_feed(feed) as server:
        follower = FeedFollower(server.url, upload.settings.revocation_file)
        follower.open()
        follower.poll()
    revocations: Revocations = upload.context.access.revocations
    revocations._polled_at = -math.inf


def slug(reply: TestResponse) -> str:
    return str((reply.json or {}).get("type", "")).removeprefix("/problems/")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/files/default/a.txt"),
        ("PUT", "/v1/files/default/a.txt"),
        ("DELETE", "/v1/files/default/a.txt"),
        ("GET", "/v1/files/default"),
        ("GET", "/v1/metadata/default/a.txt"),
        ("GET", "/v1/buckets"),
        ("GET", "/v1/usage"),
    ],
)
def test_every_route_refuses(upload: UploadService, method: str, path: str) -> None:
    """Row 60: a revoked token gets 401 and a suspended tenant 403 on each route, even after use."""
    upload.put("a.txt", b"there")
    headers = {"Authorization": f"Bearer {upload.issuer.token(jti='t1', tid='demo')}"}
    assert upload.request("GET", "/v1/usage", headers=headers).status_code == 200
    feed = FakeFeed()
    feed.add(identifier="t1", until=int(time.time()) + 900)
    publish(upload, feed)
    reply = upload.request(method, path, headers=headers)
    assert (reply.status_code, slug(reply)) == (401, "token-revoked")
    assert 'error="invalid_token"' in reply.headers["WWW-Authenticate"]
    assert upload.request("GET", "/v1/usage").status_code == 200
    feed.add("tenant", "suspended")
    publish(upload, feed)
    reply = upload.request(method, path)
    assert (reply.status_code, slug(reply)) == (403, "tenant-suspended")
    feed.add("tenant", "active")
    publish(upload, feed)
    assert upload.content("a.txt") == b"there"


@pytest.mark.parametrize("ended", ["tenant", "parent"])
@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_revoked_while_the_body_came(upload: UploadService, method: str, ended: str) -> None:
    """A body is not stored if its caller loses access after the admission.

    The tenant was suspended, or a parent of the token was revoked.
    """
    path = "/v1/files/default/a.txt" if method == "PUT" else "/v1/files/default"
    environ = {"WHARF_STEP": "admit", "CONTENT_LENGTH": "5"}
    kind = {
        "Content-Type": FORM if method == "POST" else "text/plain",
        "Authorization": f"Bearer {upload.issuer.token(parents=['p1', 'p2'])}",
    }
    reply = upload.request(method, path, b"", kind, environ)
    assert reply.status_code == 204
    feed = FakeFeed()
    if ended == "tenant":
        feed.add("tenant", "suspended")
    else:
        feed.add(identifier="p1", until=int(time.time()) + 900)
    publish(upload, feed)
    spooled = upload.settings.spool_folder / "1"
    spooled.write_bytes(b"hello" if method == "PUT" else form_body([("a.txt", b"hello")]))
    environ = {"SPOOL_FILE": str(spooled), "ADMISSION": reply.headers["X-Admission"]}
    reply = upload.request(method, path, b"", kind, environ)
    refusal = (403, "tenant-suspended") if ended == "tenant" else (401, "token-revoked")
    assert (reply.status_code, slug(reply)) == refusal
    assert upload.blobs() == set()


def age(upload: UploadService) -> float:
    """Return the age of the feed in seconds, as a scrape of the metrics reads it."""
    reply = upload.request("GET", "/metrics", environ={"WHARF_INTERNAL": "1"})
    assert reply.status_code == 200
    (value,) = Exposition(reply.text).values("wharf_revocation_feed_age_seconds")
    return value


def degraded(upload: UploadService) -> str:
    """Return what /readyz reports about the feed while it returns 200."""
    reply = upload.request("GET", "/readyz")
    assert reply.status_code == 200
    assert reply.json is not None
    assert reply.json["status"] == "degraded"
    return str(reply.json["degraded"]["revocations"])


def test_ready_and_degraded(upload: UploadService) -> None:
    """Without a recent feed the service is degraded; /readyz and a metric show the feed's age."""
    assert "was not received yet" in degraded(upload)
    assert age(upload) == math.inf
    publish(upload, FakeFeed())
    assert upload.request("GET", "/readyz").json == {"status": "ready"}
    assert age(upload) < 5
    file: Path = upload.settings.revocation_file
    os.utime(file, (time.time() - 100, time.time() - 100))
    upload.context.access.revocations._polled_at = -math.inf
    assert "last received 100 s ago" in degraded(upload)
    assert age(upload) >= 100


def test_a_new_replica(upload_data: Path, issuer: Issuer) -> None:
    """A new replica is not ready before it has read the feed once.

    If the feed stops later, the replica is ready and degraded.
    """
    replica = assemble(settings_for(upload_data, instance="b", durability="relaxed"), issuer)
    answer = replica.request("GET", "/readyz")
    assert answer.status_code == 503
    assert "revocations" in str(answer.json)
    file = replica.settings.revocation_file
    file.parent.mkdir()
    file.touch()
    os.utime(file, (1, 1))
    assert until(lambda: replica.request("GET", "/readyz").status_code == 200)
    assert "degraded" in str(replica.request("GET", "/readyz").json)
    replica.database.close()
