"""The notices and their encoding: a frame is a JSON array of notices."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

#: The Redis channel on which frames are published.
CHANNEL = "wharf.notices"
#: The largest size of a frame: a datagram must fit into the buffer of its socket.
MAX_FRAME_BYTES = 64 << 10


class Changed(msgspec.Struct, frozen=True, tag="changed"):
    """A tenant has new events."""

    tenant: str


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """The progress of a resumable upload.

    `offset` and `length` are in bytes, `rate` is in bytes per second. `length` is `None` while it
    is unknown. `owner` is the subject that created the upload. `key` is empty for the partial
    uploads of a concatenation.
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
    """Return the frames that contain these notices in their order, each within the size limit.

    A notice that is too long for a frame is left out.
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
    """Return the notices of a frame; raise `msgspec.DecodeError` for a malformed frame."""
    return _decoder.decode(frame)
