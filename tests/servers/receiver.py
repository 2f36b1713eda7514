"""The receiver of an upload service for tests, and the gateway's part: packets on its socket."""

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
    """What came back."""

    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def slug(self) -> str:
        """The kind of problem; empty when it is none."""
        if self.headers.get_content_type() != "application/problem+json":
            return ""
        document: dict[str, Any] = msgspec.json.decode(self.body)
        return str(document["type"]).rpartition("/")[2]


class ReceiverClient:
    """Speaks tus to a receiver, past nginx, as one client of the service's tenant."""

    def __init__(self, service: UploadService, address: Path) -> None:
        self.service, self._address = service, str(address)
        token = service.issuer.token(tid=service.tenant)
        self.credential = {"Authorization": f"Bearer {token}"}

    def open(
        self, method: str, path: str, length: int | None, headers: Mapping[str, str] | None = None
    ) -> socket.socket:
        """A request whose body is still to come; `length` None says nothing of it."""
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
        """A request as the gateway words it."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(_TIMEOUT_SECONDS)
        connection.connect(self._address)
        connection.sendall(packet)
        return connection

    def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request with all of its body."""
        return answer_of(self.open(method, path, len(body), headers), body)

    def create(self, length: int | None, headers: Mapping[str, str] | None = None) -> str:
        """The address of a new upload; its file is `tus.bin`."""
        answer = self.creation(length, headers)
        assert answer.status == 201, answer.body
        return str(answer.headers["Location"])

    def creation(self, length: int | None, headers: Mapping[str, str] | None = None) -> Answer:
        """`POST`; `length` None defers it."""
        name = base64.b64encode(b"tus.bin").decode()
        size = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
        sent = {"Upload-Metadata": f"filename {name}", **size, **(headers or {})}
        kept = {name: text for name, text in sent.items() if text}
        return self.request("POST", COLLECTION, b"", kept)

    def begin(
        self, address: str, offset: int, length: int, headers: Mapping[str, str] | None = None
    ) -> socket.socket:
        """A `PATCH` whose body is still to come."""
        sent = {"Upload-Offset": str(offset), "Content-Type": OCTETS, **(headers or {})}
        return self.open("PATCH", address, length, sent)

    def patch(
        self, address: str, offset: int, body: bytes, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """`PATCH`."""
        return answer_of(self.begin(address, offset, len(body), headers), body)

    def head(self, address: str) -> Answer:
        """`HEAD`."""
        return self.request("HEAD", address)

    def offset(self, address: str) -> int:
        """How far it is."""
        answer = self.head(address)
        assert answer.status == 200, (answer.status, answer.body)
        return int(answer.headers["Upload-Offset"])


def answer_of(connection: socket.socket, body: bytes = b"") -> Answer:
    """The answer to a request, whose (rest of the) body is sent before."""
    with connection:
        # Sending nothing is something here: it may have answered and closed by now.
        if body:
            connection.sendall(body)
        response = http.client.HTTPResponse(connection)
        response.begin()
        return Answer(response.status, response.headers, response.read())


def _listens(address: Path) -> bool:
    """Whether somebody takes connections there: a socket has its name a moment before."""
    with socket.socket(socket.AF_UNIX) as connection, suppress(OSError):
        connection.connect(str(address))
        return True
    return False


@contextmanager
def receiving(service: UploadService) -> Iterator[ReceiverClient]:
    """A running receiver of this service."""
    # Not pytest's own folder: sockets have short paths.
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
