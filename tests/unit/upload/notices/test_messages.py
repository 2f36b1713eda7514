"""Tests of the frames that carry notices."""

from __future__ import annotations

import msgspec
import pytest

from wharf_upload.notices.messages import (
    MAX_FRAME_BYTES,
    Changed,
    Notice,
    Progress,
    frames,
    read_frame,
)


def progress(upload: str = "u1", *, key: str = "a", length: int | None = 100) -> Progress:
    return Progress(
        tenant="demo",
        owner="client-1",
        upload=upload,
        bucket="default",
        key=key,
        offset=10,
        length=length,
        rate=5,
    )


def test_a_frame_is_json_that_says_what_each_notice_is() -> None:
    """A frame is a JSON list in the contract's format, and decodes to the same notices."""
    notices: list[Notice] = [progress(length=None), Changed("demo")]
    (frame,) = frames(notices)
    assert read_frame(frame) == notices
    assert msgspec.json.decode(frame) == [
        {
            "type": "progress",
            "tenant": "demo",
            "owner": "client-1",
            "upload": "u1",
            "bucket": "default",
            "key": "a",
            "offset": 10,
            "length": None,
            "rate": 5,
        },
        {"type": "changed", "tenant": "demo"},
    ]


def test_many_notices_are_several_frames() -> None:
    """Many notices are split into frames of at most one datagram, and none is lost."""
    notices: list[Notice] = [Changed(f"tenant-{number:05}") for number in range(5000)]
    made = frames(notices)
    assert len(made) > 1
    assert max(map(len, made)) <= MAX_FRAME_BYTES
    assert [one for frame in made for one in read_frame(frame)] == notices


def test_what_no_frame_can_hold_is_left_out() -> None:
    """A notice that is too long for a frame is left out, and the other notices are sent."""
    long = progress(key="x" * MAX_FRAME_BYTES)
    (frame,) = frames([long, Changed("demo")])
    assert read_frame(frame) == [Changed("demo")]
    assert frames([long]) == frames([]) == []


@pytest.mark.parametrize("frame", [b"", b"[", b"{}", b'[{"type": "other"}]', b"[1]", b"\xff"])
def test_what_is_no_frame_is_refused(frame: bytes) -> None:
    """A malformed frame, or one with an unknown kind of notice, is refused."""
    with pytest.raises(msgspec.DecodeError):
        read_frame(frame)
