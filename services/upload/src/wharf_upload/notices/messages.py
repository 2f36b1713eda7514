"""What is told, and how it is written: a frame is a JSON array of notices."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

#: Where frames go in Redis.
CHANNEL = "wharf.notices"
#: No frame is longer: a datagram has to fit into the buffer of its socket.
MAX_FRAME_BYTES = 64 << 10


class Changed(msgspec.Struct, frozen=True, tag="changed"):
    """A tenant has new events."""

    tenant: str


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """How far a resumable upload is.

    `offset` and `length` are in bytes, `rate` is in bytes a second; `length` is `None` while it is
    not known. `owner` is the subject whose upload it is; `key` is empty for parts of others.
    """

    tenant: str
    owner: str
    upload: str
    bucket: str
    key: str
    offset: int
    length: int | None
    rate: int


Notice = Changed | Progress

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(list[Notice])


def frames(notices: Sequence[Notice]) -> list[bytes]:
    """Return the frames that hold these notices, in their order, none too long.

    A notice that alone is too long for a frame is left out.
    """
    found: list[bytes] = []
    block: list[bytes] = []
    size = 2
    for notice in notices:
        text = _encoder.encode(notice)
        if len(text) + 2 > MAX_FRAME_BYTES:
            continue
        if block and size + len(text) + 1 > MAX_FRAME_BYTES:
            found.append(b"[%b]" % b",".join(block))
            block, size = [], 2
        block.append(text)
        size += len(text) + 1
    if block:
        found.append(b"[%b]" % b",".join(block))
    return found


def read_frame(frame: bytes) -> list[Notice]:
    """Return the notices of a frame; raises `msgspec.DecodeError`."""
    return _decoder.decode(frame)
