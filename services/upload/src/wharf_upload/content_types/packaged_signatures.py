"""Formats that the package `filetype` recognises reliably, because it compares enough bytes.

For many other formats the package compares only two or three bytes, so Wharf does not use it for
them (ADR 42).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from filetype.types import TYPES

from wharf_upload.content_types.content import Content

# The first bytes of a file, the package's name of the format, and the media type.
_FORMATS: Final = (
    (b"\xff\xd8", "jpg", "image/jpeg"),
    (b"II\xbc", "jxr", "image/vnd.ms-photo"),
    (b"#!AMR", "amr", "audio/amr"),
    (b"\x1f\x8b", "gz", "application/gzip"),
    (b"\x04\x22", "lz4", "application/x-lz4"),
    (b"\x89L", "lzo", "application/x-lzop"),
    (b"7z", "7z", "application/x-7z-compressed"),
    (b"Rar", "rar", "application/vnd.rar"),
    (b"!<arch>\nd", "deb", "application/vnd.debian.binary-package"),
    (b"!<arch>", "ar", "application/x-unix-archive"),
    (b"\xed\xab", "rpm", "application/x-rpm"),
    (b"\0asm", "wasm", "application/wasm"),
    (b"NES", "nes", "application/x-nintendo-nes-rom"),
    (b"wOFF", "woff", "font/woff"),
    (b"wOF2", "woff2", "font/woff2"),
)


def formats() -> tuple[tuple[bytes, Callable[[Content], str | None]], ...]:
    """Return for each format the first bytes of a file and the function that recognises it."""
    kinds = {kind.extension: kind for kind in TYPES}
    return tuple(
        (begin, _asked(kinds[extension].match, media_type))
        for begin, extension, media_type in _FORMATS
    )


def _asked(match: Callable[[bytes], bool], media_type: str) -> Callable[[Content], str | None]:
    def look(content: Content) -> str | None:
        return media_type if match(content.head) else None

    return look
