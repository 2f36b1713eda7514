"""The way of a small picture: nginx and the upload service for real, and one who pretends to make
them.
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.servers.nginx import Answer, RunningGateway, running
from tests.servers.upload import UploadService
from tests.servers.uwsgi_apps import serving
from tests.unit.upload.test_sharing import PNG, link
from wharf_upload.maintenance.pictures import KeptPictures

ORIGIN = "https://app.example"


@dataclass
class Maker:
    """Pretends to make pictures: of what begins as a PNG does, and says of what."""

    blobs: Path
    made: list[str] = field(default_factory=list)
    busy: bool = False
    go_on: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.go_on.set()

    def bytes_of(self, blob: str, method: str = "GET") -> tuple[int, bytes]:
        """What nginx gives on the socket for it."""
        connection = http.client.HTTPConnection("blobs")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(self.blobs))
        try:
            connection.request(method, f"/_bytes/{blob}")
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """WSGI."""
        if environ["PATH_INFO"] == "/metrics":
            start("200 OK", [("Content-Type", "text/plain")])
            return [b"wharf_images_up 1\n" if environ.get("WHARF_INTERNAL") else b""]
        assert (environ["PATH_INFO"], environ["REQUEST_METHOD"]) == ("/picture", "GET")
        assert "HTTP_AUTHORIZATION" not in environ
        if self.busy:
            start("503 Busy", [("Retry-After", "1"), ("Content-Length", "0")])
            return []
        self.made.append(f"{environ['WHARF_WIDTH']} {environ['WHARF_BLOB']}")
        assert self.go_on.wait(30)
        status, content = self.bytes_of(environ["WHARF_BLOB"])
        if status != 200 or not content.startswith(PNG[:8]):
            start("404 None", [("X-Accel-Expires", "3600"), ("Content-Length", "0")])
            return []
        picture = picture_of(content, environ["WHARF_WIDTH"])
        length = str(len(picture))
        kept = ("X-Accel-Expires", "2592000")
        start("200 OK", [("Content-Type", "image/webp"), ("Content-Length", length), kept])
        return [picture]


def picture_of(content: bytes, width: str) -> bytes:
    """What the maker makes of a file."""
    return f"{width} pixels of {len(content)} bytes".encode()


def slug(answer: Answer) -> str:
    """Which problem an answer is."""
    kind: str = json.loads(answer.body)["type"]
    return kind.removeprefix("/problems/")


@dataclass
class Ways:
    """All that a test needs."""

    gateway: RunningGateway
    upload: UploadService
    maker: Maker
    stack: ExitStack
    end_maker: Callable[[], None] = lambda: None

    @property
    def bearer(self) -> str:
        """A token of the tenant."""
        return f"Bearer {self.upload.issuer.token(tid='demo')}"

    def picture(self, query: str = "w=64", key: str = "a.png", **fields: str) -> Answer:
        """The answer to a reader with a token."""
        target = f"/v1/files/default/{key}?{query}"
        return self.gateway.ask(target, Authorization=self.bearer, **fields)

    def start_maker(self) -> None:
        """It listens from now on, until `end_maker`."""
        stack = ExitStack()
        stack.enter_context(serving(self.gateway.sockets / "images.sock", self.maker))
        self.stack.push(stack)
        self.end_maker = stack.close

    def kept(self) -> list[Path]:
        """The files of pictures that nginx keeps."""
        folder = self.upload.settings.data / "pictures" / "one"
        return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
def ways(upload: UploadService, tmp_path: Path) -> Iterator[Ways]:
    """A file `a.png`, and everything on the way of its pictures."""
    upload.put("a.png", PNG)
    with ExitStack() as stack:
        settings = {"WHARF_IMAGES_SOCKET": f"{tmp_path}/sockets/images.sock"}
        gateway = stack.enter_context(running(tmp_path, upload.settings.data, settings))
        stack.enter_context(serving(gateway.sockets / "upload.sock", upload.app.wsgi))
        ways = Ways(gateway, upload, Maker(gateway.sockets / "images-blobs.sock"), stack)
        ways.start_maker()
        yield ways


def test_an_answer(ways: Ways) -> None:
    """It is the picture, as private and as inert as the file, under a tag of its own."""
    answer = ways.picture("download=x.exe&w=256")
    assert (answer.status, answer.body) == (200, picture_of(PNG, "256"))
    file = ways.upload.records.file("demo", "default", "a.png")
    assert file is not None
    expected = {
        "Content-Type": "image/webp",
        "ETag": f'"{file.sha256}-w256"',
        "Content-Disposition": 'inline; filename="a.webp"',
        "Cache-Control": "private, no-cache",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Content-Length": str(len(answer.body)),
        "Vary": "Origin",
    }
    for name, value in expected.items():
        assert answer.headers.get_all(name) == [value], name
    assert answer.headers["Repr-Digest"] is None
    assert answer.headers["X-Accel-Expires"] is None
    bare = ways.gateway.ask("/v1/files/default/a.png?w=256", "HEAD", Authorization=ways.bearer)
    assert (bare.status, bare.body) == (200, b"")
    assert dict(bare.headers).keys() - {"Date"} == dict(answer.headers).keys() - {"Date"}
    assert bare.headers["Content-Length"] == answer.headers["Content-Length"]
    # Once for both, and again for another width.
    assert len(ways.maker.made) == 1
    assert ways.picture("w=64").body == picture_of(PNG, "64")


def test_head_first(ways: Ways) -> None:
    """HEAD has the picture made, and kept whole."""
    target = "/v1/files/default/a.png?w=64"
    assert ways.gateway.ask(target, "HEAD", Authorization=ways.bearer).status == 200
    ways.end_maker()
    assert ways.picture().body == picture_of(PNG, "64")


@pytest.mark.parametrize("way", ["token", "link", "public"])
def test_conditions_and_ranges(ways: Ways, way: str) -> None:
    """They work as for files, by the tag of the picture, whether it is kept already or not."""
    ask = asking(ways, way)
    # Nobody has made it yet: judged all the same.
    etag = ask("w=64", method="HEAD").headers["ETag"]
    whole = picture_of(PNG, "64")
    for _ in range(2):
        assert ask("w=64", If_None_Match=etag).status == 304
        assert ask("w=64", If_None_Match=f'"x", W/{etag}').status == 304
        unchanged = ask("w=64", If_None_Match=etag)
        assert (unchanged.body, unchanged.headers["ETag"]) == (b"", etag)
        assert unchanged.headers["Content-Length"] is None
        for fields in ({"If_None_Match": '"x"'}, {"If_Match": etag}, {"If_Match": "*"}):
            answer = ask("w=64", **fields)
            assert (answer.status, answer.body) == (200, whole), fields
        gone = ask("w=64", If_Match='"x"')
        assert (gone.status, json.loads(gone.body)["type"]) == (
            412,
            "/problems/precondition-failed",
        )
        past = "Sun, 06 Nov 1994 08:49:37 GMT"
        assert ask("w=64", If_Unmodified_Since=past).status == 412
        assert ask("w=64", If_Modified_Since=past).body == whole
        part = ask("w=64", Range="bytes=3-8")
        assert (part.status, part.body) == (206, whole[3:9])
        assert part.headers["Content-Range"] == f"bytes 3-8/{len(whole)}"
        assert ask("w=64", Range="bytes=3-8", If_Range=etag).status == 206
        assert ask("w=64", Range="bytes=3-8", If_Range='"x"').body == whole
        assert ask("w=64", Range="bytes=0-1,4-5").body == whole
        beyond = ask("w=64", Range="bytes=999-")
        assert (beyond.status, json.loads(beyond.body)["status"]) == (416, 416)
        assert beyond.headers["Content-Range"] == f"bytes */{len(whole)}"
    # A tag of the file is none of the picture, nor is that of another width.
    for other in (ask("").headers["ETag"], ask("w=256").headers["ETag"]):
        assert ask("w=64", If_None_Match=other).status == 200
    assert len(ways.maker.made) == 2


def asking(ways: Ways, way: str) -> Callable[..., Answer]:
    """What asks for the file by this way."""
    fields: dict[str, str] = {}
    if way == "token":
        target, fields = "/v1/files/default/a.png", {"Authorization": ways.bearer}
    elif way == "link":
        target = link(ways.upload, key="a.png")
    else:
        policy = {"Content-Type": "application/json"}
        ways.upload.request("PUT", "/v1/buckets/shown", b'{"public": true}', policy)
        ways.upload.put("a.png", PNG, bucket="shown")
        target = "/public/demo/shown/a.png"

    def ask(query: str, method: str = "GET", **more: str) -> Answer:
        return ways.gateway.ask(f"{target}?{query}", method, **fields, **more)

    return ask


def test_shared_pictures(ways: Ways) -> None:
    """Links and public files say of their pictures what they say of the file."""
    by_link = asking(ways, "link")("w=64")
    assert (by_link.status, by_link.body) == (200, picture_of(PNG, "64"))
    assert by_link.headers.get_all("Cache-Control") == ["private, no-cache"]
    assert by_link.headers["Content-Disposition"] == 'inline; filename="a.webp"'
    assert by_link.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert by_link.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    public = asking(ways, "public")("w=64")
    assert (public.status, public.body) == (200, picture_of(PNG, "64"))
    assert public.headers.get_all("Cache-Control") == ["public, max-age=2, must-revalidate"]
    assert public.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


def test_other_origins(ways: Ways) -> None:
    """A page that may read the file may read its picture, and its refusal; no other page may."""
    body = json.dumps({"public": True, "cors_origins": [ORIGIN]}).encode()
    json_type = {"Content-Type": "application/json"}
    ways.upload.request("PUT", "/v1/buckets/default", body, json_type)
    ways.upload.put("a.txt", b"text")
    for end, status in ((".png", 200), (".txt", 404)):
        paths = (f"/v1/files/default/a{end}", f"/public/demo/default/a{end}")
        for path in (*paths, link(ways.upload, key=f"a{end}")):
            for origin, allowed in ((ORIGIN, ORIGIN), ("https://evil.example", None)):
                answer = ways.gateway.ask(f"{path}?w=64", Origin=origin, Authorization=ways.bearer)
                assert answer.status == status
                assert answer.headers["Access-Control-Allow-Origin"] == allowed, path
                assert answer.headers.get_all("Vary") == ["Origin"]


def test_what_has_no_picture(ways: Ways) -> None:
    """It is a problem of its own, and is remembered: the maker is not asked again."""
    ways.upload.put("a.txt", b"text")
    for key in ("a.txt", "a.txt"):
        answer = ways.picture(key=key)
        assert (answer.status, answer.headers["Content-Type"]) == (404, "application/problem+json")
        assert slug(answer) == "no-preview"
        assert answer.headers.get_all("Cache-Control") == ["no-store"]
        assert answer.headers["ETag"] is answer.headers["Content-Disposition"] is None
    assert len(ways.maker.made) == 1
    assert ways.kept() == []
    page = ways.gateway.ask(link(ways.upload, key="a.txt") + "?w=64", Accept="text/html")
    assert (page.status, page.headers["Content-Type"]) == (404, "text/html; charset=utf-8")


@pytest.mark.parametrize("query", ["w=", "w", "w=63", "w=64x", "w=5&w=64"])
def test_a_bad_width(ways: Ways, query: str) -> None:
    """With a token it is a 400; a link leads nowhere. The maker hears nothing of it."""
    assert ways.picture(query).status == 400
    for way in ("link", "public"):
        answer = asking(ways, way)(query)
        assert (answer.status, slug(answer)) == (404, "not-found")
    assert ways.maker.made == []


def test_a_busy_maker(ways: Ways) -> None:
    """503 says when to come again, nothing of it is kept, and then the picture is there."""
    ways.maker.busy = True
    for way in ("token", "link"):
        answer = asking(ways, way)("w=64")
        assert (answer.status, slug(answer)) == (503, "unavailable")
        assert answer.headers["Retry-After"] == "1"
    ways.maker.busy = False
    assert ways.picture().status == 200


def test_no_maker(ways: Ways) -> None:
    """While it is away, what is kept is sent, and the rest is a 503; then all works again."""
    kept = ways.picture("w=64").body
    ways.end_maker()
    assert ways.picture("w=64").body == kept
    away = ways.picture("w=256")
    assert (away.status, away.headers["Retry-After"]) == (503, "1")
    ways.start_maker()
    assert ways.picture("w=256").body == picture_of(PNG, "256")


def test_a_crowd_has_one_made(ways: Ways) -> None:
    """Ten who ask at once for a picture that is not there yet wait for the same one."""
    ask = asking(ways, "link")
    ways.maker.go_on.clear()
    with ThreadPoolExecutor(10) as threads:
        answers = [threads.submit(ask, "w=64") for _ in range(10)]
        while not ways.maker.made:
            threading.Event().wait(0.01)
        ways.maker.go_on.set()
        assert {one.result().body for one in answers} == {picture_of(PNG, "64")}
    assert len(ways.maker.made) == 1


def test_after_a_deletion(ways: Ways) -> None:
    """The picture is refused as the file is, and the sweep removes it from the disk."""
    ask = asking(ways, "link")
    assert ways.picture("w=64").status == ask("w=256").status == 200
    (first, second) = ways.kept()
    assert {path.stat().st_mode & 0o077 for path in (first, second)} == {0}
    ways.upload.request("DELETE", "/v1/files/default/a.png")
    assert ways.picture("w=64").status == 404
    while ask("w=256").status != 404:  # the decision of a moment ago
        threading.Event().wait(0.1)
    location = ways.maker.made[0].partition(" ")[2]
    KeptPictures(ways.upload.settings.data).forget(location)
    assert ways.kept() == []


def test_a_picture_that_was_removed(ways: Ways) -> None:
    """nginx has it made again, as if it had never been."""
    ways.picture()
    for path in ways.kept():
        path.unlink()
    assert ways.picture().body == picture_of(PNG, "64")
    assert len(ways.maker.made) == 2


def test_bytes_for_the_maker(ways: Ways) -> None:
    """On its socket there are bytes of blobs, to be read, and nothing else of the data."""
    ways.picture()
    location = ways.maker.made[0].partition(" ")[2]
    assert ways.maker.bytes_of(location) == (200, PNG)
    assert ways.maker.bytes_of(location, "DELETE")[0] == 403
    for other in ("", "demo/", "../upload/upload.db", "%2e%2e/upload/upload.db", f"{location}/x"):
        assert ways.maker.bytes_of(other)[0] in {400, 403, 404}
    for target in (f"/_bytes/{location}", f"/_picture/64/{location}", "/_no_preview"):
        assert ways.gateway.ask(target, Authorization=ways.bearer).status == 404


def test_what_the_maker_counts(ways: Ways) -> None:
    """It is on the internal port, and nowhere else."""
    port = ways.gateway.gateway.settings.metrics_port
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/metrics/images")
    assert connection.getresponse().read() == b"wharf_images_up 1\n"
    connection.close()
    assert ways.gateway.ask("/metrics/images").status == 404


def test_without_a_maker(upload: UploadService, tmp_path: Path) -> None:
    """Where nobody makes pictures no file has one."""
    upload.put("a.png", PNG)
    with (
        running(tmp_path, upload.settings.data, {}) as gateway,
        serving(gateway.sockets / "upload.sock", upload.app.wsgi),
    ):
        bearer = f"Bearer {upload.issuer.token(tid='demo')}"
        path = link(upload, key="a.png")
        for target in ("/v1/files/default/a.png", path):
            answer = gateway.ask(f"{target}?w=64", Authorization=bearer)
            assert answer.status == 404
            assert slug(answer) == "no-preview"
            assert gateway.ask(target, Authorization=bearer).body == PNG
