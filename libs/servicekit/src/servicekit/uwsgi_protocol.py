"""The uwsgi protocol of nginx: a packet of variables, then the body; the response is HTTP."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

from servicekit.problems import reason

HEADER_BYTES = 4
_HEADER = struct.Struct("<BHB")
_LENGTH = struct.Struct("<H")


class MalformedPacket(Exception):
    """The received bytes are not a packet of variables."""


def size_of(header: bytes) -> int:
    """Return how many bytes follow the header of a packet; raise `MalformedPacket`."""
    modifier, size, _ = _HEADER.unpack(header)
    if modifier != 0:
        raise MalformedPacket("not a request")
    return int(size)


def environ_of(
    packet: bytes, needed: Iterable[str] = ("REQUEST_METHOD", "REQUEST_URI")
) -> dict[str, Any]:
    """Return the variables of a packet as a WSGI environment: bytes as Latin-1 (PEP 3333).

    Raise `MalformedPacket` if the packet is malformed or lacks a variable of `needed`. The values
    of a repeated header field are joined by commas, as nginx does from version 1.23 on.
    """
    environ: dict[str, Any] = {}
    position, end = 0, len(packet)
    texts: list[str] = []
    while position < end:
        if position + 2 > end:
            raise MalformedPacket("cut off")
        (length,) = _LENGTH.unpack_from(packet, position)
        position += 2
        if position + length > end:
            raise MalformedPacket("cut off")
        texts.append(packet[position : position + length].decode("latin-1"))
        position += length
    if len(texts) % 2:
        raise MalformedPacket("a name without a value")
    for name, value in zip(texts[::2], texts[1::2], strict=True):
        repeated = name.startswith("HTTP_") and name in environ
        environ[name] = f"{environ[name]}, {value}" if repeated else value
    if not set(needed) <= environ.keys():
        raise MalformedPacket("not a request")
    return environ


def packet_of(variables: dict[str, str]) -> bytes:
    """Return a packet of variables, as nginx sends it."""
    body = b"".join(
        _LENGTH.pack(len(text)) + text
        for pair in variables.items()
        for text in (part.encode("latin-1") for part in pair)
    )
    return _HEADER.pack(0, len(body), 0) + body


def response_of(status: int, headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    """Return a response in the form that nginx reads."""
    lines = [f"HTTP/1.1 {reason(status)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body or status not in {204, 304}:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
