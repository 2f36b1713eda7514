"""The stream server of an upload service for tests, and a client that sends
packets as nginx does.
"""

from __future__ import annotations

import base64
import http.client
import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPMessage
from pathlib import Path
from typing import Any

import msgspec

from servicekit.uwsgi_protocol import packet_of
from tests.servers.upload import UploadService
from tests.servers.wharf.raw_http import until
from wharf_upload.streaming.server import ResumableServer

COLLECTION = "/v1/uploads"
OCTETS = "application/offset+octet-stream"
_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Answer:
    """A response of the stream server."""

    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def slug(self) -> str:
        """Return the kind of problem, or an empty text for a response that is no problem."""
        if self.headers.get_content_type() != "application/problem+json":
            return ""
        document: dict[str, Any] = msgspec.json.decode(self.body)
        return str(document["type"]).rpartition("/")[2]


class ReceiverClient:
    """A tus client that talks to a stream server without nginx, as one client of the tenant."""

    def __init__(self, service: UploadService, address: Path) -> None:
        self.service, self._address = service, str(address)
        token = service.issuer.token(tid=service.tenant)
        self.credential = {"Authorization": f"Bearer {token}"}

    def open(
        self, method: str, path: str, length: int | None, headers: Mapping[str, str] | None = None
    ) -> socket.socket:
        """Begin a request whose body follows, and return its connection.

        If `length` is `None`, the request does not state the body's length.
        """
        fields = {"Tus-Resumable": "1.0.0", **self.credential, **(headers or {})}
        variables = {
            "REQUEST_METHOD": method,
            "REQUEST_URI": path,
            "QUERY_STRING": "",
            "CONTENT_LENGTH": "" if length is None else str(length),
            "CONTENT_TYPE": fields.pop("Content-Type", ""),
            **{f"HTTP_{name.upper().replace('-', '_')}": text for name, text in fields.items()},
        }
        return self.send(packet_of(variables))

    def send(self, packet: bytes) -> socket.socket:
        """Send a request as the gateway formats it, and return the connection."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(_TIMEOUT_SECONDS)
        connection.connect(self._address)
        connection.sendall(packet)
        return connection

    def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request with its whole body."""
        return answer_of(self.open(method, path, len(body), headers), body)

    def create(self, length: int | None, headers: Mapping[str, str] | None = None) -> str:
        """Create an upload of the file `tus.bin` and return its address."""
        answer = self.creation(length, headers)
        assert answer.status == 201, answer.body
        return str(answer.headers["Location"])

    def creation(self, length: int | None, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a creating `POST`. `length` None defers the length."""
        name = base64.b64encode(b"tus.bin").decode()
        size = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
        sent = {"Upload-Metadata": f"filename {name}", **size, **(headers or {})}
        kept = {name: text for name, text in sent.items() if text}
        return self.request("POST", COLLECTION, b"", kept)

    def begin(
        self, address: str, offset: int, length: int, headers: Mapping[str, str] | None = None
    ) -> socket.socket:
        """Begin a `PATCH` whose body follows."""
        sent = {"Upload-Offset": str(offset), "Content-Type": OCTETS, **(headers or {})}
        return self.open("PATCH", address, length, sent)

    def patch(
        self, address: str, offset: int, body: bytes, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a `PATCH`."""
        return answer_of(self.begin(address, offset, len(body), headers), body)

    def head(self, address: str) -> Answer:
        """Send a `HEAD`."""
        return self.request("HEAD", address)

    def offset(self, address: str) -> int:
        """Return the offset of the upload."""
        answer = self.head(address)
        assert answer.status == 200, (answer.status, answer.body)
        return int(answer.headers["Upload-Offset"])


def answer_of(connection: socket.socket, body: bytes = b"") -> Answer:
    """Send the rest of the body and return the response."""
    with connection:
        # Do not send an empty body: the server may have responded and closed the connection.
        if body:
            connection.sendall(body)
        response = http.client.HTTPResponse(connection)
        response.begin()
        return Answer(response.status, response.headers, response.read())


def _listens(address: Path) -> bool:
    """Tell whether a process accepts connections. The file of the socket is no proof,
    because it exists a moment earlier.
    """
    with socket.socket(socket.AF_UNIX) as connection, suppress(OSError):
        connection.connect(str(address))
        return True
    return False


@contextmanager
def receiving(service: UploadService) -> Iterator[ReceiverClient]:
    """Yield a client of a running stream server of this service."""
    # Not pytest's own folder, because the path of a socket must be short.
    with tempfile.TemporaryDirectory(prefix="wharf-receiver-") as folder:
        address = Path(folder) / "receiver.sock"
        receiver = ResumableServer(
            service.app.resumable_routes,
            service.app.gateway_routes,
            service.app.answering,
            service.context.resumable_uploads.holds,
            address,
        )
        thread = threading.Thread(target=receiver.run, daemon=True)
        thread.start()
        try:
            assert until(lambda: _listens(address))
            yield ReceiverClient(service, address)
        finally:
            receiver.stop()
            thread.join(_TIMEOUT_SECONDS)
            assert not thread.is_alive()
