"""A parser of the parts of a multipart/form-data body (RFC 7578) in one spool file.

The file may be many GiB long, so the parser reads one window at a time. The caller gets every byte
of a file once, while the byte is in memory. The caller hashes these bytes, and copies them by their
offsets inside the kernel. The CPU time is linear in the size of the body for any content
(security.md rows 16 to 18).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from wharf_upload.storage.spool_file import SpoolFile
from wharf_upload.uploads.multipart import part_headers
from wharf_upload.uploads.multipart.part_headers import MalformedMultipart, PartHeaders, boundary_of
from wharf_upload.uploads.multipart.spool_window import SpoolWindow, TruncatedSpool

__all__ = [
    "EmptyFile",
    "Event",
    "Field",
    "FieldTooLarge",
    "Limits",
    "MalformedMultipart",
    "PartBegin",
    "PartData",
    "PartEnd",
    "TooManyParts",
    "TruncatedBody",
    "boundary_of",
    "parts",
]

WINDOW_BYTES: Final = 1024 * 1024

_HEADERS_END: Final = b"\r\n\r\n"
# A boundary line may end in transport padding (RFC 2046 section 5.1.1). The parser limits the
# padding, so that each check reads a limited number of bytes. "--" closes the body. The file may
# end right after a closing line.
_MAX_PADDING_BYTES: Final = 256
_LINE_BYTES: Final = 2 + _MAX_PADDING_BYTES + 2
_OPENING = re.compile(rb"[ \t]{0,256}+\r\n")
_CLOSING = re.compile(rb"--[ \t]{0,256}+(?:\r?\n|\Z)")
# A line that begins with the boundary and continues with other bytes is content. Each such line
# costs time in Python, and honest clients choose boundaries that do not occur in the content. This
# many lines take 10 ms.
_MAX_LOOKALIKES: Final = 1000


class TruncatedBody(MalformedMultipart):
    """The body ends before its closing boundary."""


class TooManyParts(ValueError):
    """The body has more parts or files than allowed.

    Attributes:
        limit: the allowed number.
        what: "parts" or "files".
    """

    def __init__(self, limit: int, what: str) -> None:
        """Store which limit was exceeded."""
        self.limit = limit
        self.what = what
        super().__init__(f"The form has more than {limit} {what}; send several requests.")


class FieldTooLarge(ValueError):
    """The plain fields, names included, take more bytes together than allowed.

    Attributes:
        limit_bytes: the allowed number of bytes.
    """

    def __init__(self, limit_bytes: int) -> None:
        """Store which limit was exceeded."""
        self.limit_bytes = limit_bytes
        super().__init__(
            f"The plain fields of the form take more than {limit_bytes} bytes together; send large"
            " content as a file."
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one body; the defaults fit the forms of browsers."""

    max_parts: int = 1000
    max_files: int = 1000
    max_field_bytes: int = 64 * 1024
    max_header_bytes: int = 16 * 1024
    max_headers: int = 32


@dataclass(frozen=True, slots=True)
class PartBegin:
    """The start of a file at `offset` (bytes from the start of the spool file).

    `filename` is unchecked, as the client sent it, and "" when the client sent content without a
    name. `content_type` and `content_digest` are the raw values of the part's header fields, or
    `None`.
    """

    name: str
    filename: str
    content_type: str | None
    content_digest: str | None
    offset: int


@dataclass(frozen=True, slots=True)
class PartData:
    """The next bytes of the current file; `offset` is their position in the spool file.

    `view` is never empty, and is valid until the caller asks for the next event.
    """

    view: memoryview
    offset: int


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The end of a file: it has `length` bytes from `offset` in the spool file."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Field:
    """A plain form field."""

    name: str
    value: bytes


@dataclass(frozen=True, slots=True)
class EmptyFile:
    """A file input that the person at the browser left empty: no name and no bytes."""

    name: str


Event = PartBegin | PartData | PartEnd | Field | EmptyFile

_NO_LIMITS_GIVEN: Final = Limits()


def parts(
    spool: SpoolFile,
    size: int,
    boundary: bytes,
    limits: Limits = _NO_LIMITS_GIVEN,
    *,
    window_bytes: int = WINDOW_BYTES,
) -> Iterator[Event]:
    """Yield the parts of the first `size` bytes of a spool file, in order.

    The parser reads with `pread`, so the position of the descriptor does not change. The parser
    needs the memory of one window.

    Raises:
        TruncatedBody: the closing boundary, or part of the file, is missing.
        MalformedMultipart: any other violation of RFC 7578.
        TooManyParts, FieldTooLarge: a limit was exceeded; earlier parts were already yielded.
    """
    window = SpoolWindow(spool, size, b"\r\n--" + boundary, window_bytes)
    return _Body(window, limits, boundary).events()


class _Body:
    """One pass over a body."""

    def __init__(self, window: SpoolWindow, limits: Limits, boundary: bytes) -> None:
        self._window, self._limits, self._boundary = window, limits, boundary
        self._position = 0  # the offset just after the last boundary line
        self._closed = False
        self._lookalikes = 0
        self._files = 0
        self._field_bytes = 0

    def events(self) -> Iterator[Event]:
        try:
            self._skip_preamble()
            count = 0
            while not self._closed:
                count += 1
                if count > self._limits.max_parts:
                    raise TooManyParts(self._limits.max_parts, "parts")
                yield from self._part()
        except TruncatedSpool:
            raise TruncatedBody("The body has no closing boundary; send it again.") from None

    def _skip_preamble(self) -> None:
        delimiter = self._window.delimiter
        self._window.cover(0)
        # At the start of the body no line break precedes the delimiter.
        if self._window.peek(0, len(delimiter) - 2) == delimiter[2:] and self._passes(
            len(delimiter) - 2
        ):
            return
        for _ in self._content(0):
            pass

    def _part(self) -> Iterator[Event]:
        headers, start = self._headers()
        if headers.filename is None:
            return iter((self._field(headers.name, start),))
        return self._file(headers, headers.filename, start)

    def _headers(self) -> tuple[PartHeaders, int]:
        """Return the header fields of the part, and the offset of its content."""
        limit = self._limits.max_header_bytes
        block = self._window.peek(self._position, limit + len(_HEADERS_END))
        end = block.find(_HEADERS_END)
        if end < 0 and len(block) < limit + len(_HEADERS_END):
            raise TruncatedSpool
        if end < 0:
            raise MalformedMultipart(f"A part's headers take over {limit} bytes; shorten them.")
        start = self._position + end + len(_HEADERS_END)
        return part_headers.parse(block[:end], self._limits.max_headers, self._boundary), start

    def _field(self, name: str, start: int) -> Field:
        value = bytearray()
        self._count_field_bytes(len(name.encode()))
        for data in self._content(start):
            self._count_field_bytes(len(data.view))
            value += data.view
        return Field(name, bytes(value))

    def _count_field_bytes(self, count: int) -> None:
        self._field_bytes += count
        if self._field_bytes > self._limits.max_field_bytes:
            raise FieldTooLarge(self._limits.max_field_bytes)

    def _file(self, headers: PartHeaders, filename: str, start: int) -> Iterator[Event]:
        length = 0
        begin = PartBegin(
            headers.name, filename, headers.content_type, headers.content_digest, start
        )
        if filename:
            self._count_file()
            yield begin
        for data in self._content(start):
            if not length and not filename:  # the part has content, although it has no file name
                self._count_file()
                yield begin
            length += len(data.view)
            yield data
        yield PartEnd(start, length) if filename or length else EmptyFile(headers.name)

    def _count_file(self) -> None:
        self._files += 1
        if self._files > self._limits.max_files:
            raise TooManyParts(self._limits.max_files, "files")

    def _content(self, start: int) -> Iterator[PartData]:
        """Yield the bytes from `start` to the next boundary line, and move behind that line."""
        window = self._window
        pending = start  # the offset of the first byte that was not yielded yet
        # The line break at the end of the header fields may also begin the boundary.
        search = max(start - 2, 0)
        while True:
            window.cover(min(search, pending))
            hit = window.find(search)
            if hit >= 0:
                after = hit + len(window.delimiter)
                if not self._passes(after):
                    search = after
                    continue
                yield from _data(window, pending, hit)
                return
            settled = window.settled()
            yield from _data(window, pending, settled)
            pending = max(pending, settled)
            search = max(search, settled)

    def _passes(self, after: int) -> bool:
        """Tell whether the boundary that ends at `after` is a boundary line; if so, skip it."""
        line = self._window.peek(after, _LINE_BYTES)
        ending = _OPENING.match(line)
        closing = None if ending else _CLOSING.match(line)
        found = ending or closing
        if found is None:
            self._lookalikes += 1
            if self._lookalikes > _MAX_LOOKALIKES:
                raise MalformedMultipart(
                    "The boundary occurs again and again in the content; choose another."
                )
            return False
        self._closed = closing is not None
        self._position = after + found.end()
        return True


def _data(window: SpoolWindow, start: int, end: int) -> Iterator[PartData]:
    if end > start:
        with window.view(start, end) as view:
            yield PartData(view, start)
