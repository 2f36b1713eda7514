"""Tests of multipart/form-data in a spool file: exact bytes, limits and hostile headers."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.formparser import MultiPartParser

from wharf_upload.storage.spool_file import SpoolFile
from wharf_upload.uploads.multipart import parser, spool_window
from wharf_upload.uploads.multipart.parser import (
    EmptyFile,
    Event,
    Field,
    Limits,
    MalformedMultipart,
    PartBegin,
    PartData,
    PartEnd,
    boundary_of,
)

B = b"XbX"


@dataclass(frozen=True)
class Received:
    """One file as a caller assembles it."""

    begin: PartBegin
    content: bytes


def scan(
    body: bytes,
    *,
    boundary: bytes = B,
    limits: Limits | None = None,
    window_bytes: int = 4096,
    size: int | None = None,
) -> Iterator[Event]:
    """Yield the events of a body that is in a temporary file."""
    with tempfile.TemporaryFile() as file:
        file.write(body)
        file.flush()
        yield from parser.parts(
            SpoolFile.borrow("", file.fileno()),
            len(body) if size is None else size,
            boundary,
            limits or Limits(),
            window_bytes=window_bytes,
        )


def received(body: bytes, **options: object) -> list[Received | Field | EmptyFile]:
    """Return files and fields, and check the positions in every event."""
    found: list[Received | Field | EmptyFile] = []
    begin: PartBegin | None = None
    content = bytearray()
    for event in scan(body, **options):  # type: ignore[arg-type]
        match event:
            case PartBegin():
                begin, content = event, bytearray()
            case PartData(view, offset):
                assert begin is not None
                assert offset == begin.offset + len(content)
                assert len(view)
                assert body[offset : offset + len(view)] == view
                content += view
            case PartEnd(offset, length):
                assert begin is not None
                assert (offset, length) == (begin.offset, len(content))
                found.append(Received(begin, bytes(content)))
                begin = None
            case _:
                found.append(event)
    assert begin is None
    return found


def part(disposition: str | bytes, content: bytes = b"", *headers: bytes) -> bytes:
    """Return the headers and content of one part."""
    raw = disposition.encode() if isinstance(disposition, str) else disposition
    lines = b"\r\n".join((b"Content-Disposition: form-data" + raw, *headers))
    return lines + b"\r\n\r\n" + content


def form(*pieces: bytes, boundary: bytes = B, end: bytes = b"--\r\n") -> bytes:
    """Return the complete body of a form with these parts."""
    line = b"--" + boundary
    return line + b"\r\n" + (b"\r\n" + line + b"\r\n").join(pieces) + b"\r\n" + line + end


def only_file(body: bytes, **options: object) -> Received:
    """Return the only file of a body."""
    (file,) = received(body, **options)
    assert isinstance(file, Received)
    return file


def test_files_and_fields_in_order() -> None:
    """Files, fields and empty inputs have the sent order and their header fields."""
    body = form(
        part('; name="prefix"', b"a/b"),
        part(
            '; name="f"; filename="x.bin"',
            b"\x00\r\n\xff",
            b"Content-Type: image/png",
            b"content-digest: sha-256=:AA==:",
        ),
        part('; name="none"; filename=""', b"", b"Content-Type: application/octet-stream"),
        part('; name="empty"; filename="empty.txt"'),
    )
    first, second, third, fourth = received(body)
    assert first == Field("prefix", b"a/b")
    assert isinstance(second, Received)
    assert second.content == b"\x00\r\n\xff"
    assert (second.begin.name, second.begin.filename) == ("f", "x.bin")
    assert second.begin.content_type == "image/png"
    assert second.begin.content_digest == "sha-256=:AA==:"
    assert third == EmptyFile("none")
    assert isinstance(fourth, Received)
    assert (fourth.content, fourth.begin.filename) == (b"", "empty.txt")


def test_content_without_a_name_is_a_file() -> None:
    """Content with filename="" is a file, whose name the caller must judge."""
    file = only_file(form(part('; name="f"; filename=""', b"bytes")))
    assert (file.begin.filename, file.content) == ("", b"bytes")


@given(
    contents=st.lists(
        st.binary(max_size=200)
        | st.sampled_from([b"\r\n--Xb", b"\r\n--XbXY", b"\r\n" * 40, b"-" * 99]),
        max_size=6,
    ),
    boundary=st.sampled_from([B, b"a", b"-" * 70]),
    window_bytes=st.integers(1, 300),
    in_c=st.booleans(),
)
@example(contents=[b"a" * 200], boundary=B, window_bytes=64, in_c=False)
def test_any_content_any_window(
    contents: list[bytes], boundary: bytes, window_bytes: int, *, in_c: bool
) -> None:
    """Every byte of any content arrives exactly once, wherever the window ends."""
    pieces = [part(f'; name="f{i}"; filename="n{i}"', data) for i, data in enumerate(contents)]
    saved, small = spool_window._MEMMEM, spool_window._SMALL_BYTES
    spool_window._SMALL_BYTES = 0  # type: ignore[misc]
    if not in_c:
        spool_window._MEMMEM = None  # type: ignore[misc]
    try:
        body = form(*pieces, boundary=boundary) if pieces else b"--" + boundary + b"--"
        files = received(body, boundary=boundary, window_bytes=window_bytes)
    finally:
        spool_window._MEMMEM, spool_window._SMALL_BYTES = saved, small  # type: ignore[misc]
    assert [file.content for file in files if isinstance(file, Received)] == contents


def test_a_boundary_at_every_offset_of_the_window() -> None:
    """Row 18: the boundary may straddle the end of a window anywhere."""
    for length in range(150, 250):
        content = bytes(i % 251 for i in range(length))
        file = only_file(form(part('; name="f"; filename="n"', content)), window_bytes=64)
        assert file.content == content, length


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=80)), min_size=1, max_size=5))
def test_werkzeug_reads_the_same(parts: list[tuple[bool, bytes]]) -> None:
    """Werkzeug's parser finds the same fields and files in ordinary bodies."""
    boundary = b"----boundary0123456789"
    body = form(
        *(
            part(f'; name="n{i}"' + (f'; filename="f{i}"' if is_file else ""), data)
            for i, (is_file, data) in enumerate(parts)
        ),
        boundary=boundary,
    )
    werkzeug = MultiPartParser(stream_factory=lambda *_, **__: io.BytesIO())
    fields, files = werkzeug.parse(io.BytesIO(body), boundary, len(body))
    for found in received(body, boundary=boundary, window_bytes=64):
        if isinstance(found, Field):
            assert fields[found.name] == found.value.decode("utf-8", "replace")
        elif isinstance(found, Received):
            theirs = files[found.begin.name]
            assert theirs.filename == found.begin.filename
            assert theirs.read() == found.content


@pytest.mark.parametrize(
    "body",
    [
        b"preamble\r\n" + form(part('; name="f"; filename="n"', b"x")),
        b"\r\n" + form(part('; name="f"; filename="n"', b"x")),
        form(part('; name="f"; filename="n"', b"x")) + b"epilogue\r\n--XbX\r\n",
        form(part('; name="f"; filename="n"', b"x"), end=b"--"),
        form(part('; name="f"; filename="n"', b"x"), end=b"--\n"),
        form(part('; name="f"; filename="n"', b"x"), end=b"-- \t\r\n"),
        form(part('; name="f"; filename="n"', b"x")).replace(b"XbX\r\n", b"XbX \t \r\n"),
        form(part(';\r\n name="f";\r\n\tfilename="n"', b"x")),
        form(part(";name=f;filename=n;", b"x", b"Content-Transfer-Encoding: BINARY")),
    ],
)
def test_shapes_that_are_accepted(body: bytes) -> None:
    """A body may have preamble, epilogue, padding, folding, unquoted values, and no last CRLF."""
    file = only_file(body)
    assert (file.begin.name, file.begin.filename, file.content) == ("f", "n", b"x")


def test_an_empty_part_may_share_its_line_break() -> None:
    """In an empty part, the line break after the headers may belong to the boundary."""
    body = b'--XbX\r\nContent-Disposition: form-data; name="f"; filename="n"\r\n\r\n--XbX--\r\n'
    assert only_file(body).content == b""
    assert list(scan(b"--XbX--")) == []


def test_a_line_that_begins_with_the_boundary_is_content() -> None:
    """A boundary that other characters follow does not end a part."""
    content = b"\r\n--XbXtra\r\n--XbX-\r\n--XbX--x\r\n--XbX \rx"
    assert only_file(form(part("; name=f; filename=n", content))).content == content


def test_views_die_with_the_next_event() -> None:
    """A view that is kept after the next event raises an error when it is read."""
    events = scan(form(part("; name=f; filename=n", b"x" * 10_000)))
    data = [event for event in events if isinstance(event, PartData)]
    assert len(data) > 1
    for event in data:
        with pytest.raises(ValueError, match="released"):
            bytes(event.view)


def test_the_position_of_the_file_stays() -> None:
    """Scanning does not move the descriptor's offset."""
    body = form(part("; name=f; filename=n", b"x"))
    with tempfile.TemporaryFile() as file:
        file.write(body)
        file.seek(3)
        list(parser.parts(SpoolFile.borrow("", file.fileno()), len(body), B))
        assert os.lseek(file.fileno(), 0, os.SEEK_CUR) == 3


@given(st.binary(max_size=300))
def test_no_body_raises_anything_else(body: bytes) -> None:
    """Any bytes give events or one of the module's errors."""
    for candidate in (body, form(body), form(b"Content-Disposition: form-data" + body)):
        try:
            list(scan(candidate, window_bytes=64))
        except MalformedMultipart:
            continue


def test_no_error_shows_a_path() -> None:
    """Row 28: messages contain no path of the server."""
    causes: list[Callable[[], object]] = [
        lambda: list(scan(b"")),
        lambda: list(scan(form(b"x"))),
        lambda: boundary_of("/etc/passwd"),
    ]
    for cause in causes:
        with pytest.raises(MalformedMultipart) as caught:
            cause()
        assert "/" not in str(caught.value).replace("multipart/form-data", "")
