"""The uwsgi protocol, as nginx speaks it: a packet of variables, then the body; HTTP comes back."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

from servicekit.problems import reason

HEADER_BYTES = 4
_HEADER = struct.Struct("<BHB")
_LENGTH = struct.Struct("<H")


class MalformedPacket(Exception):
    """What came is not a packet of variables."""


def size_of(header: bytes) -> int:
    """The bytes that follow a packet's header; raises `MalformedPacket`."""
    modifier, size, _ = _HEADER.unpack(header)
    if modifier != 0:
        raise MalformedPacket("not a request")
    return int(size)


def environ_of(
    packet: bytes, needed: Iterable[str] = ("REQUEST_METHOD", "REQUEST_URI")
) -> dict[str, Any]:
    """The variables of a packet as WSGI has them: bytes shown as Latin-1 (PEP 3333).

    Raises `MalformedPacket`, also where one of those needed is missing.

    A header field that stands in several lines is one list, as nginx makes it from 1.23 on.
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
    """A packet of variables: what nginx sends."""
    body = b"".join(
        _LENGTH.pack(len(text)) + text
        for pair in variables.items()
        for text in (part.encode("latin-1") for part in pair)
    )
    return _HEADER.pack(0, len(body), 0) + body


def response_of(status: int, headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    """A reply as nginx reads it."""
    lines = [f"HTTP/1.1 {reason(status)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body or status not in {204, 304}:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
