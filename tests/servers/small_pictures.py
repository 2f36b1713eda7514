"""Small pictures with a real nginx and upload service, and a stand-in for the service `images`."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.servers.links import PNG, link
from tests.servers.nginx import Answer, RunningGateway, running
from tests.servers.upload import UploadService
from tests.servers.uwsgi_apps import serving


@dataclass
class Maker:
    """A stand-in for `images`, which makes a picture of each file that begins as a PNG."""

    blobs: Path
    made: list[str] = field(default_factory=list)
    busy: bool = False
    go_on: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.go_on.set()

    def bytes_of(self, blob: str, method: str = "GET") -> tuple[int, bytes]:
        """Return the status and content that nginx serves on the socket for a blob."""
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
        """Serve a request as a WSGI application."""
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
    """Return the picture that the stand-in makes of a file."""
    return f"{width} pixels of {len(content)} bytes".encode()


def slug(answer: Answer) -> str:
    """Return the kind of the problem in a response."""
    kind: str = json.loads(answer.body)["type"]
    return kind.removeprefix("/problems/")


@dataclass
class Ways:
    """The gateway, the service, the stand-in for `images`, and the stack that ends all of them."""

    gateway: RunningGateway
    upload: UploadService
    maker: Maker
    stack: ExitStack
    end_maker: Callable[[], None] = lambda: None

    @property
    def bearer(self) -> str:
        """Return the header value with a token of the tenant."""
        return f"Bearer {self.upload.issuer.token(tid='demo')}"

    def picture(self, query: str = "w=64", key: str = "a.png", **fields: str) -> Answer:
        """Return the response to a request for a picture with a token."""
        target = f"/v1/files/default/{key}?{query}"
        return self.gateway.ask(target, Authorization=self.bearer, **fields)

    def start_maker(self) -> None:
        """Start the stand-in, which listens until `end_maker`."""
        stack = ExitStack()
        stack.enter_context(serving(self.gateway.sockets / "images.sock", self.maker))
        self.stack.push(stack)
        self.end_maker = stack.close

    def kept(self) -> list[Path]:
        """Return the files in which nginx caches pictures."""
        folder = self.upload.settings.data / "pictures" / "one"
        return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
def ways(upload: UploadService, tmp_path: Path) -> Iterator[Ways]:
    """Yield the gateway, the service with a file `a.png`, and the stand-in."""
    upload.put("a.png", PNG)
    with ExitStack() as stack:
        settings = {"WHARF_IMAGES_SOCKET": f"{tmp_path}/sockets/images.sock"}
        gateway = stack.enter_context(running(tmp_path, upload.settings.data, settings))
        stack.enter_context(serving(gateway.sockets / "upload.sock", upload.app.wsgi))
        ways = Ways(gateway, upload, Maker(gateway.sockets / "images-blobs.sock"), stack)
        ways.start_maker()
        yield ways


def asking(ways: Ways, way: str) -> Callable[..., Answer]:
    """Return a function that requests a picture in this way: with a token, by a link,
    or publicly.
    """
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
