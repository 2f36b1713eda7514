"""Tests of small pictures: the requested width, the response, and the removal."""

from __future__ import annotations

import hashlib
import os
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from tests.servers.links import PNG, link
from tests.servers.upload import UploadService, ages, new_file
from tests.unit.upload.test_sharing import decided
from wharf_upload import bootstrap
from wharf_upload.domain.pictures import WIDTHS, NoSuchWidth, width_of
from wharf_upload.downloads import pictures
from wharf_upload.maintenance import backup, integrity
from wharf_upload.maintenance.pictures import KeptPictures
from wharf_upload.maintenance.replicas import Replicas
from wharf_upload.maintenance.sweeper import Sweeper

ROOT = Path(__file__).resolve().parents[3]
BAD = ("w=", "w", "w=63", "w=064", "w=64x", "w=+64", "w=64;x", "w=0", "w=256,64", "w=%36%34")


@pytest.mark.parametrize(
    ("query", "width"),
    [
        (None, None),
        ("", None),
        ("download=w", None),
        ("download=x&flow=64", None),
        ("W=64", None),
        ("%77=64", None),
        ("?w=64", None),
        ("w=64", 64),
        ("download=a.png&w=256", 256),
        ("a=b&&w=1024&c", 1024),
        ("w=64&w=5", 64),
    ],
)
def test_widths(query: str | None, width: int | None) -> None:
    """The first `w` of the query, exactly as sent, is the width."""
    assert width_of(query) == width


@pytest.mark.parametrize("query", [*BAD, "w=5&w=64"])
def test_there_are_three_widths(query: str) -> None:
    """Any width but 64, 256 and 1024 is refused, and the file is not sent instead."""
    with pytest.raises(NoSuchWidth, match=r"\Aw is a width in pixels: 64, 256 or 1024\.\Z"):
        width_of(query)


@given(st.text("w=&642510d?", max_size=14))
def test_the_gateway_reads_the_same(query: str) -> None:
    """nginx, which caches decisions by width, reads the same width as the service."""
    template = (ROOT / "deploy/nginx/conf.d/sharing.conf.template").read_text()
    (expression,) = re.findall(r'"~(\S+)" w=\$wharf_width_part;', template)
    found = re.search(expression.replace("(?<w", "(?P<w"), f"/s/x?{query}")
    theirs = None if found is None else f"w={found['wharf_width_part'] or ''}"
    try:
        width = width_of(query)
    except NoSuchWidth:
        assert theirs == "w="
    else:
        assert theirs == (None if width is None else f"w={width}")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("photo.jpg", "photo.webp"),
        ("a.tar.gz", "a.tar.webp"),
        ("photo", "photo.webp"),
        (".jpg", "_.jpg.webp"),
        ("x.html", "x.webp"),
    ],
)
def test_names(name: str, shown: str) -> None:
    """The file name of a small picture ends with `.webp`, for any name of the file."""
    file = new_file("k", filename=name, active=True)
    assert pictures.disposition(file) == f'inline; filename="{shown}"'
    assert pictures.disposition(new_file("k"), name) == f'inline; filename="{shown}"'


def get(upload: UploadService, query: str, method: str = "GET", **headers: str) -> TestResponse:
    """Return the response to a reader with a token."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return upload.request(method, f"/v1/files/default/a.png?{query}", headers=fields)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_answer(upload: UploadService, method: str) -> None:
    """The response sends the gateway to the picture, with the picture's tag and no digest."""
    etag = upload.put("a.png", PNG).headers["ETag"]
    file = upload.records.file("demo", "default", "a.png")
    assert file is not None
    reply = get(upload, "w=256&download=x.exe", method)
    assert (reply.status_code, reply.data) == (200, b"")
    assert reply.headers["X-Accel-Redirect"] == f"/_picture/256/demo/{file.blob[8:10]}/{file.blob}"
    assert reply.headers["X-Shared-Disposition"] == 'inline; filename="a.webp"'
    assert reply.headers["ETag"] == f'"{file.sha256}-w256"' != etag
    assert reply.headers["X-Shared-Cache-Control"] == "private, no-cache"
    # nginx would also apply these to the response about a file that is not a picture.
    kept = {"Content-Disposition", "Cache-Control", "Repr-Digest"}
    assert kept.isdisjoint(reply.headers.keys())


def test_conditions(upload: UploadService) -> None:
    """Preconditions are checked against the tag of the picture of this width, not of the file."""
    etag = upload.put("a.png", PNG).headers["ETag"]
    own = get(upload, "w=64").headers["ETag"]
    assert get(upload, "w=64", If_None_Match=own).status_code == 304
    assert get(upload, "w=64", If_None_Match=f"W/{own}").status_code == 304
    assert get(upload, "w=64", If_Match=own).status_code == 200
    for other in (etag, get(upload, "w=256").headers["ETag"]):
        assert get(upload, "w=64", If_None_Match=other).status_code == 200
        reply = get(upload, "w=64", If_Match=other)
        assert (reply.status_code, reply.headers["ETag"]) == (412, own)
    not_modified = get(upload, "w=64", If_None_Match=own).headers
    assert "Content-Disposition" not in not_modified
    assert not_modified["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize("query", BAD)
def test_a_bad_width(upload: UploadService, query: str) -> None:
    """A wrong width gets 400 with the valid widths, but 404 by a link, like every refused link."""
    upload.put("a.png", PNG)
    reply = get(upload, query)
    assert reply.status_code == 400
    assert "64, 256 or 1024" in reply.text
    path = link(upload, key="a.png")
    refused = decided(upload, path, query)
    assert (refused.status_code, refused.headers["X-Accel-Expires"]) == (403, "1")
    whole = upload.request("GET", f"{path}?{query}", headers={"If-Match": "*"})
    assert whole.status_code == 404
    assert "Nothing is here." in whole.text


def test_a_shared_picture(upload: UploadService) -> None:
    """A picture by a link has the link's name and expiry, at the gateway and in the service."""
    upload.put("a.png", PNG)
    file = upload.records.file("demo", "default", "a.png")
    assert file is not None
    path = link(upload, key="a.png", disposition="attachment", filename="b.png", expires_in=1)
    reply = decided(upload, path, "w=64")
    assert reply.status_code == 204
    assert reply.headers["X-Accel-Expires"] == "0"
    assert reply.headers["X-Shared-Blob"].endswith(file.blob)
    assert reply.headers["X-Shared-Disposition"] == 'inline; filename="b.webp"'
    assert reply.headers["X-Shared-Cache-Control"] == "private, no-cache"
    assert "X-Shared-Digest" not in reply.headers
    own = reply.headers["X-Shared-Etag"]
    assert own == f'"{file.sha256}-w64"'
    whole = upload.request("GET", f"{path}?w=64", headers={"If-Match": own})
    assert whole.headers["X-Accel-Redirect"].startswith("/_picture/64/demo/")
    assert whole.headers["X-Shared-Disposition"] == 'inline; filename="b.webp"'
    assert whole.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_a_public_picture(upload: UploadService) -> None:
    """The picture of a public file has the file's cache and cross-origin fields."""
    policy = {"Content-Type": "application/json"}
    upload.request("PUT", "/v1/buckets/shown", b'{"public": true}', policy)
    upload.put("a.png", PNG, bucket="shown")
    reply = decided(upload, "/public/demo/shown/a.png", "w=1024")
    assert reply.headers["X-Shared-Cache-Control"] == "public, max-age=2, must-revalidate"
    assert reply.headers["X-Shared-Resource-Policy"] == "cross-origin"


def kept(data: Path, location: str, instance: str = "one") -> list[Path]:
    """Create the files of a blob's pictures as nginx writes them, and return their paths."""
    made = []
    for width in WIDTHS:
        name = hashlib.md5(f"{width} {location}".encode()).hexdigest()
        path = data / "pictures" / instance / name[-1] / name[-3:-1] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"picture")
        made.append(path)
    return made


def test_pictures_go_with_their_blob(tmp_path: Path) -> None:
    """The pictures of a blob, of every gateway and width, are removed; other pictures stay."""
    pictures_of_all = KeptPictures(tmp_path)
    pictures_of_all.forget("demo/aa/b1")
    gone = [*kept(tmp_path, "demo/aa/b1"), *kept(tmp_path, "demo/aa/b1", "two")]
    stays = kept(tmp_path, "demo/aa/b2")
    (tmp_path / "pictures" / "a-file").write_text("")
    for _ in range(2):
        pictures_of_all.forget("demo/aa/b1?signature=x")
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in stays)


def sweeper(upload: UploadService, clock_ahead: float = 0) -> Sweeper:
    """Return a sweeper that removes everything immediately, pictures included."""
    data = upload.settings.data
    clock = lambda: time.time() + clock_ahead  # noqa: E731 -- store and sweeper need the same clock
    return Sweeper(
        upload.store,
        upload.records,
        data / "spool",
        ages(0),
        clock=clock,
        replicas=Replicas(data, clock),
        pictures=KeptPictures(data),
    )


def test_a_sweep(upload: UploadService) -> None:
    """The pictures of a deleted file, or of a purged tenant, are removed with the blobs."""
    locations = {}
    for key in ("kept.png", "gone.png"):
        upload.put(key, PNG)
        locations[key] = get_location(upload, key)
    gone, stays = (kept(upload.settings.data, locations[key]) for key in ("gone.png", "kept.png"))
    upload.request("DELETE", "/v1/files/default/gone.png")
    sweeper(upload, 1).run()
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in stays)
    upload.records.purge_tenant("demo", 100)
    sweeper(upload, 1).run()
    assert not any(path.exists() for path in stays)


def test_pictures_are_no_part_of_a_backup(upload: UploadService, tmp_path: Path) -> None:
    """A backup has no pictures, and a check of the installation ignores them."""
    upload.put("a.png", PNG)
    kept(upload.settings.data, get_location(upload, "a.png"))
    backup.backup(bootstrap.installation(upload.settings), tmp_path / "backup", lambda *_: None)
    found = {path.name for path in (tmp_path / "backup").iterdir()}
    assert found == {"manifest.json", "resumable", "tenants", "upload.db"}
    assert list(integrity.faults(upload.store, upload.records, read_all=True)) == []


def get_location(upload: UploadService, key: str) -> str:
    """Return the location of a file's blob for the gateway."""
    reply = upload.request("GET", f"/v1/files/default/{key}")
    return reply.headers["X-Accel-Redirect"].removeprefix("/_blobs/")


def test_a_picture_that_cannot_go(upload: UploadService, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture that cannot be removed is a failure, and the next run tries again."""
    for key in ("gone.png", "more.png"):
        upload.put(key, PNG)
        upload.request("DELETE", f"/v1/files/default/{key}")

    def refuse(*_: object) -> None:
        raise PermissionError("no")

    with monkeypatch.context() as patched:
        patched.setattr(KeptPictures, "forget", refuse)
        assert sweeper(upload, 1).run().failures == 2
    assert sweeper(upload, 1).run().deleted_blobs == 2


def test_a_gateway_that_is_gone(upload: UploadService) -> None:
    """The pictures of a dead replica's gateway are removed, and those of a live one are not."""
    data = upload.settings.data
    dead, alive = kept(data, "demo/aa/b1", "dead"), kept(data, "demo/aa/b1", "alive")
    replicas = Replicas(data)
    for name in ("dead", "alive", "without"):
        replicas.announce(name)
    for name in ("dead", "without"):
        os.utime(data / "replicas" / name, (1, 1))
    assert sweeper(upload).run().dead_replicas == 2
    assert not any(path.exists() for path in dead)
    assert all(path.exists() for path in alive)
    # A replica whose gateway has no pictures is removed completely as well.
    assert os.listdir(data / "replicas") == ["alive"]


def test_what_is_kept(tmp_path: Path) -> None:
    """The blob of a picture is read from the header that nginx writes, never from the picture, and
    a file that vanishes is no error.
    """
    folder = tmp_path / "pictures" / "one" / "a"
    folder.mkdir(parents=True)
    key = b"\nKEY: 64 demo/aa/b1\n"
    for name, content in (
        ("picture", b"\0" * 2000 + key + b"RIFF" + b"\xff" * 5000),
        ("other", b"\0" * 2048 + key),
        ("another", b"RIFF" * 10),
    ):
        (folder / name).write_bytes(content)
    (folder / "gone").symlink_to("nowhere")
    (found,) = KeptPictures(tmp_path).kept()
    assert found == (str(folder / "picture"), "demo", "b1")
    for _ in range(2):
        found.remove()
    assert sorted(path.name for path in folder.iterdir()) == ["another", "gone", "other"]
