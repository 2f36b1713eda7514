"""Patterns of policies, the inline list, and what extensions claim."""

from __future__ import annotations

import pytest

from wharf_upload.content_types import media_types

OOXML = "application/vnd.openxmlformats-officedocument."


def test_nothing_executable_is_inline() -> None:
    """HTML, SVG, XML and PDF are never in the inline list, and everything there is a type."""
    assert not media_types.INLINE_TYPES & {
        "text/html", "image/svg+xml", "application/xml", "application/xhtml+xml", "application/pdf",
        "text/x-script", "application/octet-stream",
    }  # fmt: skip
    assert all(map(media_types.is_pattern, media_types.INLINE_TYPES))


@pytest.mark.parametrize(
    ("pattern", "media_type", "expected"),
    [
        ("image/*", "image/png", True),
        ("IMAGE/*", "image/PNG", True),
        ("image/*", "imagery/png", False),
        ("*/*", "a/b", True),
        ("text/plain", "text/plain; charset=utf-8", True),
        ("text/plain;q=1", "Text/Plain", True),
        ("text/plain", "text/plain2", False),
        ("image/png", "image/jpeg", False),
        ("*/*", "", False),
    ],
)
def test_patterns(pattern: str, media_type: str, *, expected: bool) -> None:
    """Wildcards cover whole families; case and parameters do not count."""
    assert media_types.matches(pattern, media_type) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("image/*", True),
        ("*/*", True),
        ("application/vnd.a+b", True),
        ("*", False),
        ("*/png", False),
        ("image/", False),
        ("image/p*", False),
        ("a/b;c=d", False),
        ("a/b\n", False),
        ("", False),
        ("a/b/c", False),
        ("a /b", False),
    ],
)
def test_is_pattern(text: str, *, expected: bool) -> None:
    """A pattern is a type, a family or everything, and no more."""
    assert media_types.is_pattern(text) is expected


@pytest.mark.parametrize(
    ("filename", "media_type", "expected"),
    [
        ("a.jpg", "image/jpeg", True),
        ("a.JPEG", "image/jpeg", True),
        ("a.png", "image/jpeg", False),
        ("a.png", "text/html", False),
        ("a.png", "application/octet-stream", False),
        ("a.txt", "text/plain", True),
        ("a.json", "text/plain", True),
        ("a.csv", "text/plain", True),
        ("a.md", "text/plain", True),
        ("a.js", "text/plain", True),
        ("a.sh", "text/x-script", True),
        ("a.xml", "application/xml", True),
        ("a.xml", "image/svg+xml", True),
        ("a.html", "text/html", True),
        ("a.html", "text/plain", False),
        ("a.svg", "text/plain", False),
        ("a.svg", "image/svg+xml", True),
        ("a.txt", "text/html", False),
        ("a.docx", OOXML + "wordprocessingml.document", True),
        ("a.docx", "application/zip", True),
        ("a.zip", OOXML + "wordprocessingml.document", True),
        ("a.xlsx", OOXML + "wordprocessingml.document", False),
        ("a.doc", "application/x-ole-storage", True),
        ("a.doc", "application/vnd.ms-excel", False),
        ("a.doc", "application/zip", False),
        ("a.tar.gz", "application/gzip", True),
        ("a.tgz", "application/gzip", True),
        ("a.wav", "audio/wav", True),
        ("a.ico", "image/x-icon", True),
        ("a.mov", "video/quicktime", True),
        ("a.exe", "application/x-msdownload", True),
        ("a.pdf", "application/x-msdownload", False),
        ("a", "image/png", None),
        (".png", "image/png", None),
        ("a.unheardof", "image/png", None),
        ("a.bin", "application/octet-stream", True),
        ("a.bin", "image/png", None),
        ("a.iso", "application/octet-stream", None),
        ("a.pdf.exe", "application/pdf", False),
    ],
)
def test_extensions(filename: str, media_type: str, *, expected: bool | None) -> None:
    """An extension agrees, contradicts, or says nothing about the bytes."""
    assert media_types.extension_agrees(filename, media_type) is expected
