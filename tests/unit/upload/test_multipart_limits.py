"""Tests of limits, truncation and cost of multipart bodies (security.md rows 16 and 17)."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator

import pytest

from wharf_upload.storage.spool_file import SpoolFile
from wharf_upload.uploads.multipart import parser, spool_window
from wharf_upload.uploads.multipart.parser import (
    Event,
    FieldTooLarge,
    Limits,
    MalformedMultipart,
    PartData,
    PartEnd,
    TooManyParts,
    TruncatedBody,
)

NO_LIMITS = Limits()


def scan(
    body: bytes, *, limits: Limits = NO_LIMITS, window_bytes: int = 4096, size: int | None = None
) -> Iterator[Event]:
    """Yield the events of a body with the boundary "XbX" that is in a temporary file."""
    with tempfile.TemporaryFile() as file:
        file.write(body)
        file.flush()
        length = len(body) if size is None else size
        yield from parser.parts(
            SpoolFile.borrow("", file.fileno()), length, b"XbX", limits, window_bytes=window_bytes
        )


def part(parameters: str, content: bytes = b"") -> bytes:
    """Return the header and content of one part."""
    return f"Content-Disposition: form-data{parameters}\r\n\r\n".encode() + content


def form(*pieces: bytes, end: bytes = b"--\r\n") -> bytes:
    """Return the complete body of a form with these parts."""
    return b"--XbX\r\n" + b"\r\n--XbX\r\n".join(pieces) + b"\r\n--XbX" + end


WHOLE = form(part('; name="f"; filename="n"', b"x" * 30), part('; name="g"', b"y"), end=b"--")


@pytest.mark.parametrize("window_bytes", [16, 4096])
def test_every_cut_is_noticed(window_bytes: int) -> None:
    """A body that is cut anywhere raises TruncatedBody."""
    unnoticed = []
    for length in range(len(WHOLE)):
        with contextlib.suppress(TruncatedBody):
            unnoticed.append((length, list(scan(WHOLE[:length], window_bytes=window_bytes))))
    assert unnoticed == []


def test_a_file_shorter_than_announced_is_noticed() -> None:
    """A spool file with fewer bytes than announced raises TruncatedBody."""
    body = form(part("; name=f; filename=n", b"x" * 100))
    with pytest.raises(TruncatedBody):
        list(scan(body[:-20], size=len(body)))


def test_limits_on_parts_and_files() -> None:
    """Row 16: one part or file too many raises an error with the limit; the limit itself passes."""
    files = form(*[part("; name=f; filename=n", b"x")] * 3)
    assert len(list(scan(files, limits=Limits(max_parts=3, max_files=3)))) == 9
    with pytest.raises(TooManyParts, match="2 parts") as parts_caught:
        list(scan(files, limits=Limits(max_parts=2)))
    assert (parts_caught.value.limit, parts_caught.value.what) == (2, "parts")
    with pytest.raises(TooManyParts, match="2 files"):
        list(scan(files, limits=Limits(max_files=2)))
    with pytest.raises(TooManyParts):
        list(scan(form(*[part("; name=f")] * 10_000), window_bytes=1 << 20))


def test_limits_on_fields() -> None:
    """Plain fields are counted together, names included, before they are stored in memory."""
    body = form(part("; name=ab", b"c" * 6), part("; name=de", b"f" * 6))
    assert len(list(scan(body, limits=Limits(max_field_bytes=16)))) == 2
    with pytest.raises(FieldTooLarge, match="15 bytes") as caught:
        list(scan(body, limits=Limits(max_field_bytes=15)))
    assert caught.value.limit_bytes == 15
    with pytest.raises(FieldTooLarge):
        list(scan(form(part("; name=f", b"x" * 1_000_000)), window_bytes=64))


def test_a_file_is_not_counted_as_a_field() -> None:
    """The limit max_field_bytes does not apply to files."""
    body = form(part("; name=f; filename=n", b"x" * 1000))
    assert list(scan(body, limits=Limits(max_field_bytes=1)))[-1:] == [PartEnd(61, 1000)]


class CountedReads:
    """A counter of the bytes that are read and of the searches for the delimiter."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bytes = 0
        self.calls = 0
        preadv, pread, find = os.preadv, os.pread, spool_window.SpoolWindow.find

        def counting_preadv(fd: int, buffers: tuple[memoryview], offset: int) -> int:
            count = preadv(fd, buffers, offset)
            self.bytes += count
            return count

        def counting_pread(fd: int, length: int, offset: int) -> bytes:
            data = pread(fd, length, offset)
            self.bytes += len(data)
            return data

        def counting_find(window: spool_window.SpoolWindow, offset: int) -> int:
            self.calls += 1
            return find(window, offset)

        monkeypatch.setattr(os, "preadv", counting_preadv)
        monkeypatch.setattr(os, "pread", counting_pread)
        monkeypatch.setattr(spool_window.SpoolWindow, "find", counting_find)


@pytest.mark.parametrize("pattern", [b"\r\n", b"\r", b"\r\n--Xb", b"-", b"\r\n--"])
def test_ten_megabytes_of_almost_boundaries_are_read_once(
    pattern: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 17: 10 MB of line breaks or prefixes cost one pass, with few reads and searches."""
    content = pattern * (10_000_000 // len(pattern))
    body = form(part("; name=f; filename=n", content))
    counted = CountedReads(monkeypatch)
    assert sum(
        len(e.view) for e in scan(body, window_bytes=1 << 20) if isinstance(e, PartData)
    ) == len(content)
    assert counted.bytes < 1.01 * len(body) + 100_000
    assert counted.calls < 20


def test_a_thousand_small_parts_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The window is not read again for each part."""
    body = form(*[part("; name=f; filename=n", b"x" * 100)] * 1000)
    counted = CountedReads(monkeypatch)
    assert len(list(scan(body, window_bytes=1 << 20))) == 3000
    assert counted.bytes < 2 * len(body)


def test_a_flood_of_lookalikes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that repeats its boundary a million times is refused after bounded work."""
    body = form(part("; name=f; filename=n", b"\r\n--XbXy" * 1_000_000))
    counted = CountedReads(monkeypatch)
    with pytest.raises(MalformedMultipart, match="choose another"):
        list(scan(body))
    assert counted.calls < 11_000


def test_headers_are_limited_in_bytes() -> None:
    """Header lines of more than 16 KiB raise an error before they are parsed."""
    head = b"Content-Disposition: form-data; name=f\r\nX: "
    fits = head + b"y" * (16 * 1024 - len(head))
    assert len(list(scan(form(fits + b"\r\n\r\n")))) == 1
    with pytest.raises(MalformedMultipart, match="16384"):
        list(scan(form(fits + b"y\r\n\r\n")))
