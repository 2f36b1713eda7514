"""The bytes of files: fetched from the gateway by HTTP on a unix socket, stored in memory files."""

from __future__ import annotations

import fcntl
import os
import re
import socket
import time
from dataclasses import dataclass

from wharf_images.formats import MAX_FILE_BYTES, PREFIX_BYTES, NoPicture, format_of

# A blob's location in the store: the tenant, two digits, the name of the blob.
_LOCATION = re.compile(r"([a-z0-9-]{1,63})/[0-9a-f]{2}/[0-9a-f-]{1,64}")
# A path and query that upload has signed for an object store; it contains no line end.
_SIGNED = re.compile(r"(?:/[!-~]{1,4000})?")
# For a complete file; the gateway is on the same machine.
TIMEOUT_SECONDS = 5.0
_HEAD_BYTES, _BLOCK_BYTES = 16 * 1024, 256 * 1024
# With these seals, the process that gets the descriptor can only read the file.
_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class BlobGone(Exception):
    """The blob does not exist any more."""


class BlobsUnavailable(Exception):
    """The gateway cannot send the bytes at present."""


def tenant_of(location: str) -> str | None:
    """Return the tenant of a blob's location; `None` if the text is not a location."""
    found = _LOCATION.fullmatch(location)
    return found[1] if found else None


def is_signed(text: str) -> bool:
    """Tell whether a text is empty, or can be a presigned address at an object store."""
    return _SIGNED.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Blobs:
    """A client of the gateway's socket for the bytes of files."""

    path: str
    timeout_seconds: float = TIMEOUT_SECONDS

    def fetch(self, location: str, signed: str = "") -> int:
        """Return the descriptor of a sealed memory file with the blob's bytes.

        The caller must close the descriptor. `signed` is the presigned address at which the gateway
        fetches the blob from an object store.

        Raises:
            NoPicture: the first bytes or the size exclude a picture; the rest was not fetched.
            BlobGone: the blob does not exist.
            BlobsUnavailable: the gateway cannot send the bytes; a later retry may succeed.
        """
        descriptor = os.memfd_create("blob", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            until = time.monotonic() + self.timeout_seconds
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(self.timeout_seconds)
                connection.connect(self.path)
                # HTTP/1.0: the response is not chunked, and the connection ends after it.
                field = f"X-Wharf-Blob: {signed}\r\n" if signed else ""
                request = f"GET /_bytes/{location} HTTP/1.0\r\nHost: images\r\n{field}\r\n"
                connection.sendall(request.encode("ascii"))
                _receive(connection, descriptor, until)
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
        except BaseException as error:
            os.close(descriptor)
            if isinstance(error, OSError):
                raise BlobsUnavailable(str(error) or type(error).__name__) from error
            raise
        return descriptor


def _receive(connection: socket.socket, descriptor: int, until: float) -> None:
    size, content = _begin(connection)
    received, known = 0, False
    buffer = memoryview(bytearray(_BLOCK_BYTES))
    buffer[: len(content)] = content
    count = len(content)
    while True:
        while not known and count < PREFIX_BYTES and received + count < size:
            more = connection.recv_into(buffer[count:])
            if not more:
                break
            count += more
        if not known and format_of(bytes(buffer[:PREFIX_BYTES][:count])) is None:
            raise NoPicture("unknown")
        known = True
        os.write(descriptor, buffer[:count])
        received += count
        if received >= size:
            break
        if time.monotonic() > until:
            raise BlobsUnavailable("the bytes arrive too slowly")
        count = connection.recv_into(buffer)
        if not count:
            break
    if received != size:
        raise BlobsUnavailable(f"received {received} of {size} bytes")


def _begin(connection: socket.socket) -> tuple[int, bytes]:
    """Return the size of the blob, and its bytes that arrived together with the response's head."""
    head = b""
    while b"\r\n\r\n" not in head:
        part = connection.recv(_HEAD_BYTES)
        head += part
        if not part or len(head) > 2 * _HEAD_BYTES:
            raise BlobsUnavailable("no complete response head")
    head, _, content = head.partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    code = status.split(b" ")[1:2]
    if code == [b"404"]:
        raise BlobGone
    if code != [b"200"]:
        raise BlobsUnavailable(status.decode("latin-1"))
    fields = {
        name.lower(): value.strip() for name, _, value in (one.partition(b":") for one in lines)
    }
    length = fields.get(b"content-length", b"")
    if not length.isdigit():
        raise BlobsUnavailable("the response has no valid Content-Length")
    if int(length) > MAX_FILE_BYTES:
        raise NoPicture("too-large", f"{int(length)} bytes")
    return int(length), content
