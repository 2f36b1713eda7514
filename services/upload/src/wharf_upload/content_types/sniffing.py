"""The media type of a file, found from its bytes alone.

Text is recognised first, then binary formats by their signatures (`signatures`), then HTML with
stray control bytes, which browsers still show as a page. See docs/adr/0005-type-sniffing.md.
"""

from __future__ import annotations

from typing import Final

from servicekit.file_types import FILE_TYPES
from servicekit.known_types import ancestors
from wharf_upload.content_types import compound_files, plain_text, zip_files
from wharf_upload.content_types.content import HEAD_BYTES, ReadAt
from wharf_upload.content_types.markup import markup_type
from wharf_upload.content_types.signatures import signed_type

__all__ = ["HEAD_BYTES", "may_become", "sniff"]

_UNKNOWN: Final = "application/octet-stream"
# By the type of the head: the types that the whole file may have because of the bytes after the
# head.
_LATER: Final = {
    _UNKNOWN: (
        "application/x-iso9660-image", "application/x-apple-diskimage", "application/x-vhd-disk",
        "application/x-msdownload", "application/x-dbf", "image/x-tga", "model/stl",
        "video/iso.segment", "video/quicktime",
    ),
    # Text tables may begin like these formats.
    "image/x-portable-bitmap": ("text/plain",),
    "image/x-portable-graymap": ("text/plain",),
    "image/x-portable-pixmap": ("text/plain",),
    "application/x-bzip2": ("application/x-apple-diskimage",),
    "application/x-xz": ("application/x-apple-diskimage",),
    "video/mp4": ("audio/mp4",),
    "video/3gpp": ("audio/3gpp",),
    "video/3gpp2": ("audio/3gpp2",),
    "video/webm": ("audio/webm",),
    "video/x-matroska": ("audio/x-matroska",),
    "audio/mpeg": ("audio/aac", "audio/flac", "audio/x-ape", "audio/x-tta"),
}  # fmt: skip


def sniff(
    head: bytes, *, complete: bool, size: int | None = None, read_at: ReadAt | None = None
) -> str:
    """Return the media type of the file that begins with `head` (its first `HEAD_BYTES` bytes).

    `complete` means that `head` is the whole file. Otherwise `size` and `read_at` allow the
    function to read the contents of containers. Text without markup and without a signature, for
    example JSON, is "text/plain". Unknown and empty files are "application/octet-stream". Raises
    the errors of `read_at`.
    """
    if not head:
        return _UNKNOWN
    if not plain_text.has_binary(head):
        return plain_text.text_type(head, complete=complete, size=size)
    return (
        plain_text.wide_text_type(head)
        or signed_type(head, len(head) if complete else size, read_at)
        or (plain_text.dos_text_type(head) if complete else None)
        or markup_type(head)  # browsers take it for HTML in spite of stray control bytes
        or (plain_text.PDF if plain_text.has_pdf_header(head) else _UNKNOWN)
    )


def may_become(head: bytes) -> tuple[str, ...]:
    """Return the types that a file with this `head` may have.

    The first one is the type of `head` itself. For some types the bytes after the head decide, for
    example the directory at the end of a ZIP file.
    """
    found = sniff(head, complete=False)
    if head.startswith(zip_files.LOCAL_HEADER):
        return (found, *_kinds_of(zip_files.ZIP))
    if head.startswith(compound_files.SIGNATURE):
        return (found, *_kinds_of(compound_files.OLE))
    return (found, *_LATER.get(found, ()))


def _kinds_of(container: str) -> list[str]:
    return [each for each in FILE_TYPES if each == container or container in ancestors(each)]
