"""Forms as bytes, written without a library, so that a test controls every byte."""

from __future__ import annotations

from dataclasses import dataclass

BOUNDARY = "----WebKitFormBoundaryWharfE2E00000"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


@dataclass(frozen=True)
class Part:
    """One part: its header lines without the last line end, and its content."""

    head: bytes
    content: bytes


def file_part(filename: str, content: bytes = b"content", name: str = "file", *more: str) -> Part:
    """Return a file as browsers send it. `more` are further header lines."""
    lines = [
        f'Content-Disposition: form-data; name="{name}"; filename="{filename}"',
        "Content-Type: application/octet-stream",
        *more,
    ]
    return Part("\r\n".join(lines).encode(), content)


def field_part(name: str, value: str) -> Part:
    """Return a plain field."""
    return Part(f'Content-Disposition: form-data; name="{name}"'.encode(), value.encode())


def multipart_body(*parts: Part, boundary: str = BOUNDARY) -> bytes:
    """Return the complete body of a form with these parts."""
    line = b"--" + boundary.encode()
    chunks = [b"%b\r\n%b\r\n\r\n%b\r\n" % (line, part.head, part.content) for part in parts]
    return b"".join(chunks) + line + b"--\r\n"
