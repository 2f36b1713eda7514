"""A small tus client that sends exactly what a test specifies."""

from __future__ import annotations

import base64
import socket
from dataclasses import dataclass

from tests.servers.wharf.api_client import Answer, ApiClient, Headers

TUS = {"Tus-Resumable": "1.0.0"}
OCTETS = "application/offset+octet-stream"


def metadata(**fields: str) -> str:
    """Return the value of `Upload-Metadata`."""
    return ",".join(
        f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in fields.items()
    )


@dataclass(frozen=True)
class Tus:
    """A tus client of one Wharf."""

    api: ApiClient

    def create(
        self,
        length: int | None,
        body: bytes | None = None,
        headers: Headers | None = None,
        **fields: str,
    ) -> Answer:
        """Send a creating POST. `length` None defers the length."""
        sent = {**TUS, "Upload-Metadata": metadata(**(fields or {"filename": "tus.bin"}))}
        if length is None:
            sent["Upload-Defer-Length"] = "1"
        else:
            sent["Upload-Length"] = str(length)
        if body is not None:
            sent["Content-Type"] = OCTETS
        return self.api.request("POST", "/v1/uploads", body or b"", {**sent, **(headers or {})})

    def created(self, length: int | None, **fields: str) -> str:
        """Create an upload and return its address."""
        answer = self.create(length, None, None, **fields)
        assert answer.status == 201, answer.body
        return answer.header("Location")

    def patch(
        self, address: str, offset: int, content: bytes, headers: Headers | None = None
    ) -> Answer:
        """Send a PATCH."""
        sent = {**TUS, "Upload-Offset": str(offset), "Content-Type": OCTETS}
        return self.api.request("PATCH", address, content, {**sent, **(headers or {})})

    def head(self, address: str) -> Answer:
        """Send a HEAD."""
        return self.api.request("HEAD", address, headers=TUS)

    def offset(self, address: str) -> int:
        """Return the offset of the upload."""
        answer = self.head(address)
        assert answer.status == 200, answer.status
        return int(answer.header("Upload-Offset"))

    def delete(self, address: str) -> Answer:
        """Send a DELETE."""
        return self.api.request("DELETE", address, headers=TUS)

    def cut(self, address: str, offset: int, announced: int, sent: bytes) -> None:
        """Send a PATCH whose connection breaks after `sent` of `announced` bytes."""
        with self.begin(address, offset, announced) as connection:
            connection.sendall(sent)

    def begin(self, address: str, offset: int, announced: int) -> socket.socket:
        """Begin a PATCH whose body follows, and return its connection."""
        lines = [
            f"PATCH {address} HTTP/1.1",
            "Host: localhost",
            f"Authorization: Bearer {self.api.token}",
            "Tus-Resumable: 1.0.0",
            f"Upload-Offset: {offset}",
            f"Content-Type: {OCTETS}",
            f"Content-Length: {announced}",
            "",
            "",
        ]
        connection = socket.create_connection(("127.0.0.1", self.api.port), timeout=30)
        connection.sendall("\r\n".join(lines).encode())
        return connection
