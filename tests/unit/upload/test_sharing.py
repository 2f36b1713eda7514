"""Tests of decisions about links and public files, with a test in place of the gateway."""

from __future__ import annotations

import time

import pytest
from werkzeug.test import TestResponse

from servicekit.database import DatabaseUnavailable
from tests.servers.links import PNG, link
from tests.servers.upload import UploadService, form_body
from wharf_upload.domain.conditions import http_date
from wharf_upload.downloads.files import Downloads
from wharf_upload.downloads.shared import LINKS
from wharf_upload.storage.base import GatewayPlace

GIF_JS = b"GIF89a/*\x01\x00\x80\x00\x00*/=1;alert(1)//\x00"
POLYGLOTS = [
    pytest.param(GIF_JS, id="GIF+JS"),
    pytest.param(PNG + b"<html><script>", id="PNG+HTML in the head"),
    pytest.param(PNG + bytes(8192 - len(PNG) - 6) + b"<script>", id="on the border of the head"),
    pytest.param(PNG + bytes(500_000) + b"<script>", id="PNG+HTML at the end"),
    pytest.param(PNG + bytes(500_000) + b"PK\x03\x04" + bytes(100), id="PNG+ZIP"),
    pytest.param(PNG + bytes(9000) + b"%PDF-1.7", id="PNG+PDF"),
]


def decided(upload: UploadService, path: str, query: str = "", **environ: str) -> TestResponse:
    """Return the response to the gateway's question."""
    return upload.request(
        "GET",
        path,
        environ={"WHARF_STEP": "share", "QUERY_STRING": query, "REQUEST_URI": path, **environ},
    )


def test_a_decision(upload: UploadService) -> None:
    """The gateway gets the file to send, its type and disposition, and the decision's lifetime."""
    upload.put("a.png", PNG)
    reply = decided(upload, link(upload, key="a.png"))
    assert reply.status_code == 204
    file = upload.records.file("demo", "default", "a.png")
    assert file is not None
    assert reply.headers["X-Shared-Blob"].endswith(file.blob)
    assert reply.headers["X-Shared-Kind"] == "image-png"
    assert reply.headers["X-Shared-Etag"] == file.etag
    assert reply.headers["X-Shared-Disposition"] == 'inline; filename="a.png"'
    assert reply.headers["X-Accel-Expires"] == "1"
    assert "X-Allow-Origin" not in reply.headers


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_decision_about_a_file_on_an_object_store(
    upload: UploadService, monkeypatch: pytest.MonkeyPatch, *, on_disk: bool
) -> None:
    """The gateway gets the same fields as for a file on a disk, and also the signature.

    A small picture has a separate tag.
    """
    signed = "/bucket/blob?X-Amz-Signature=00"
    upload.put("a.txt", b"text")
    path = link(upload, key="a.txt")
    plain = decided(upload, path)
    place = GatewayPlace(plain.headers["X-Shared-Blob"], signed, on_disk)
    monkeypatch.setattr(Downloads, "place", lambda *_: place)
    reply, picture = decided(upload, path), decided(upload, path, "w=64")
    way = f"/_disk_or_s3/{place.location}.text-plain" if on_disk else "/_s3"
    file = upload.records.file("demo", "default", "a.txt")
    assert file is not None
    own = {
        "X-Shared-Signed": signed,
        "X-Shared-Way": way,
        "X-Shared-Type": "text/plain; charset=utf-8",
        "X-Shared-Size": "4",
        "X-Shared-Last-Modified": http_date(file.created_at // 1000),
    }
    own["X-Request-Id"] = reply.headers["X-Request-Id"]
    assert dict(reply.headers) == dict(plain.headers) | own
    assert picture.headers["X-Shared-Signed"] == signed
    assert picture.headers["X-Shared-Etag"].endswith('-w64"')


def test_a_refusal(upload: UploadService) -> None:
    """An absent link gets 403 without a body, as auth_request needs; nginx caches it for 1 s."""
    reply = decided(upload, "/s/absent")
    assert (reply.status_code, reply.data) == (403, b"")
    assert reply.headers["X-Accel-Expires"] == "1"


def test_an_end_is_never_kept(upload: UploadService) -> None:
    """A decision about a link that expires soon is not cached."""
    upload.put("a", b"x")
    reply = decided(upload, link(upload, key="a", expires_in=1))
    assert reply.headers["X-Accel-Expires"] == "0"


def test_an_outage(upload: UploadService, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the database is unavailable, a good link gets 503, so that the gateway uses its cache.
    A bad, expired or suspended link is refused as usual without waiting.
    """
    upload.put("a", b"x")
    good, short = link(upload, key="a"), link(upload, key="a", expires_in=1)
    assert decided(upload, good).status_code == 204
    asked = []

    def away(*_: object) -> None:
        asked.append(1)
        raise DatabaseUnavailable("away")

    monkeypatch.setattr(upload.records, "bucket", away)
    assert decided(upload, good).status_code == 503
    for _ in range(5):
        assert decided(upload, good).status_code == 503
    assert len(asked) == 1
    time.sleep(1.1)
    assert decided(upload, short).status_code == 403
    assert decided(upload, good[:-2]).status_code == 403
    assert decided(upload, good).status_code == 503
    assert len(asked) == 1
    suspended = upload.context.access.revocations
    monkeypatch.setattr(suspended, "tenant_state", lambda _: "suspended")
    assert decided(upload, good).status_code == 403


def test_the_path_as_it_was_sent(upload: UploadService) -> None:
    """Only the path as it was sent counts; a normalized path does not."""
    upload.put("a", b"x")
    path = link(upload, key="a")
    for sent in (path.replace("/s/", "/%73/"), "/x/.." + path, "/" + path):
        assert decided(upload, path, REQUEST_URI=sent).status_code == 403


@pytest.mark.parametrize("content", POLYGLOTS)
@pytest.mark.parametrize("way", ["memory", "spooled", "form"])
def test_polyglots_are_attachments(upload: UploadService, content: bytes, way: str) -> None:
    """Row 31: an image that is also of another type is marked as active, and is an attachment."""
    if way == "form":
        assert upload.post_form(form_body([("a", content)])).status_code == 201
    else:
        assert upload.put("a", content, spooled=way == "spooled").status_code == 201
    file = upload.records.file("demo", "default", "a")
    assert file is not None
    assert file.media_type.startswith("image/")
    assert file.active
    for reply in (
        decided(upload, link(upload, key="a", disposition="inline")),
        upload.request("GET", "/v1/files/default/a"),
        upload.request("GET", link(upload, key="a")),
    ):
        name = "Content-Disposition"
        field = reply.headers.get(name) or reply.headers["X-Shared-Disposition"]
        assert field.startswith("attachment")


@pytest.mark.parametrize("size", [0, 100, 8192, 8193, 20_000, 300_000])
def test_pictures_are_shown(upload: UploadService, size: int) -> None:
    """A picture of any size that is only a picture is shown inline."""
    upload.put("a", PNG + bytes(size))
    reply = decided(upload, link(upload, key="a"))
    assert reply.headers["X-Shared-Disposition"].startswith("inline")


def test_whole_answers(upload: UploadService) -> None:
    """A request that nginx cannot decide is answered by the service with the same fields."""
    etag = upload.put("a.png", PNG).headers["ETag"]
    path = link(upload, key="a.png", disposition="attachment", filename="b.png")
    assert path.startswith(LINKS)
    reply = upload.request("GET", path, headers={"If-Match": etag})
    assert reply.status_code == 200
    assert reply.headers["X-Accel-Redirect"].startswith("/_blobs_matched/")
    assert reply.headers["Content-Disposition"] == 'attachment; filename="b.png"'
    assert reply.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert upload.request("GET", path, headers={"If-Match": '"x"'}).status_code == 412
    refused = upload.request("PUT", path, b"x")
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
