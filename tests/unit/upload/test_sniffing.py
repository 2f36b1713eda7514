"""Tests of types from bytes: binary formats, text, markup, containers and polyglots."""

from __future__ import annotations

import codecs
import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharf_upload.content_types import plain_text
from wharf_upload.content_types.active_content import active_content
from wharf_upload.content_types.media_types import is_pattern
from wharf_upload.content_types.sniffing import may_become, sniff

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(40)
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01" + bytes(40)
GIF = b"GIF89a\x01\x00\x01\x00\x80\x00\x00" + bytes(40)
OOXML = "application/vnd.openxmlformats-officedocument."
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
BMP = b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\1\0\0\0\1\0\0\0\1\0\x18\0" + bytes(40)
DOS = b"MZ\x40\0\1\0\0\0\2\0\x10\0\xff\xff" + bytes(50)


def archive(*entries: tuple[str, bytes], stream: bool = False) -> bytes:
    """Return the bytes of a ZIP file; with `stream` the sizes follow the content."""
    file = io.BytesIO()
    if stream:
        file.seekable = lambda: False  # type: ignore[method-assign]
    with zipfile.ZipFile(file, "w") as target:
        for name, content in entries:
            target.writestr(name, content)
    return file.getvalue()


def iso(brand: bytes, *compatible: bytes) -> bytes:
    """Return the start of an ISO base media file."""
    brands = brand + b"\0\0\0\0" + b"".join(compatible)
    return (len(brands) + 8).to_bytes(4, "big") + b"ftyp" + brands + bytes(64)


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (PNG, "image/png"),
        (PNG[:-40] + bytes(17) + b"\x00\x00\x00\x08acTL" + bytes(40), "image/png"),
        (JPEG, "image/jpeg"),
        (GIF, "image/gif"),
        (b"RIFF\x10\0\0\0WEBPVP8 " + bytes(20), "image/webp"),
        (b"RIFF\x10\0\0\0WAVEfmt " + bytes(20), "audio/wav"),
        (b"fLaC\0\0\0\x22" + bytes(40), "audio/flac"),
        (b"ID3\x04\0\0" + bytes(40), "audio/mpeg"),
        (b"OggS\0\x02" + bytes(40), "audio/ogg"),
        (b"\x1a\x45\xdf\xa3\x87\x42\x82\x84webm" + bytes(9), "video/webm"),
        (b"\x1f\x8b\x08\0" + bytes(20), "application/gzip"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(20), "application/x-7z-compressed"),
        (DOS, "application/x-msdownload"),
        (BMP, "image/bmp"),
        (b"wOF2\0\x01\0\0" + bytes(60), "font/woff2"),
        (b"BM.txt".ljust(257, b"\0") + b"ustar\x0000" + bytes(40), "application/x-tar"),
        (iso(b"isom", b"avc1"), "video/mp4"),
        (iso(b"iso5"), "video/mp4"),
        (iso(b"qt  "), "video/quicktime"),
        (iso(b"M4A "), "audio/mp4"),
        (iso(b"heic"), "image/heic"),
        (iso(b"avif"), "image/avif"),
        (iso(b"mif1", b"avif", b"miaf"), "image/avif"),
        (iso(b"mif1", b"heic"), "image/heic"),
        (iso(b"3gp5"), "video/3gpp"),
    ],
)
def test_binary_formats(head: bytes, media_type: str) -> None:
    """A signature gives the type, under the name that IANA or browsers use."""
    assert sniff(head, complete=False) == media_type


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"hello\n", "text/plain"),
        (b'{"a": 1}', "text/plain"),
        (b"BMW, MZ and GIF are words", "text/plain"),
        (b"MZ", "text/plain"),
        (b"GIF is pronounced so", "text/plain"),
        (b"ID3 tags explained", "text/plain"),
        (b"\x1b[31mred\x1b[0m\x0c", "text/plain"),
        ("βρ = brotli's magic".encode(), "text/plain"),
        (codecs.BOM_UTF8 + b"a", "text/plain"),
        ("日本語".encode("utf-16"), "text/plain"),
        (codecs.BOM_UTF16_BE + "abc".encode("utf-16-be"), "text/plain"),
        ("abc".encode("utf-32"), "text/plain"),
        (b"#!/bin/sh\necho", "text/x-script"),
        (b"{\\rtf1\\ansi}", "application/rtf"),
        (b"%!PS-Adobe-3.0", "application/postscript"),
        (b"%PDF-1.7\n1 0 obj", "application/pdf"),
        (b"%PDF-1.7\n\x00\xe2\xe3", "application/pdf"),
        (b"junk\n" * 20 + b"%PDF-1.4\n", "application/pdf"),
        (b"\x00junk\xff" * 20 + b"%PDF-1.4\n", "application/pdf"),
        (b"a" * 1100 + b"%PDF-1.4\n", "text/plain"),
        (b"", "application/octet-stream"),
        (b"\x00\x01\x02\x03", "application/octet-stream"),
        ("für".encode("latin-1"), "text/plain"),
    ],
)
def test_text_and_its_kin(head: bytes, media_type: str) -> None:
    """Text is recognized by its bytes, and words that begin like short signatures are text."""
    assert sniff(head, complete=True) == media_type


@pytest.mark.parametrize("cut", [1, 2])
def test_a_cut_sequence_is_utf8_only_when_more_follows(cut: int) -> None:
    """A UTF-8 character that is cut at the end of the head is valid unless the file ends there."""
    head = "日本".encode()[:-cut]
    assert plain_text.is_utf8(head, complete=False)
    assert not plain_text.is_utf8(head, complete=True)


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"<!DOCTYPE html><p>", "text/html"),
        (b" \r\n\t<HTML >", "text/html"),
        (codecs.BOM_UTF8 + b"<script>", "text/html"),
        (b"<!-- x --><body>", "text/html"),
        (b"<!-- unclosed", "text/html"),
        (b"<h1>a", "text/html"),
        (b"<a href=x>", "text/html"),
        (b"<p/onclick=x>", "text/html"),
        (b"\n<html>\x00", "text/html"),
        ("<html><p>".encode("utf-16"), "text/html"),
        (b"<abc>", "text/plain"),
        (b"< html>", "text/plain"),
        (b"a <html>", "text/plain"),
        (b'<?xml version="1.0"?><note/>', "application/xml"),
        (b'<?xml version="1.0"?><html xmlns="x">', "application/xhtml+xml"),
        (b"<svg>", "image/svg+xml"),
        (b'<!DOCTYPE x [<!ENTITY y "' + b"z" * 8000, "application/xml"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"),
        (b"<!-- a --><svg >", "image/svg+xml"),
        (b'<?xml version="1.0"?>\n<!-- a -->\n<svg:svg >', "image/svg+xml"),
        (b'<!DOCTYPE svg [<!ENTITY x "y">]>\n<svg\n>', "image/svg+xml"),
        (b'<!DOCTYPE x [<!ENTITY x "]">]>\n<svg >', "image/svg+xml"),
        (b'<!DOCTYPE svg [<!ENTITY x "' + b"y" * 8000, "image/svg+xml"),
        ('<?xml version="1.0" encoding="UTF-16"?><svg >'.encode("utf-16"), "image/svg+xml"),
    ],
)
def test_markup(head: bytes, media_type: str) -> None:
    """HTML, XHTML, SVG and XML are distinguished by the root element."""
    assert sniff(head, complete=False) == media_type


@pytest.mark.parametrize("piece", [b"<!--", b"<?", b"<!DOCTYPE[", b"<!DOCTYPE", b"<!---->", b" ]"])
def test_endless_prologs_are_quick(piece: bytes) -> None:
    """A head full of unclosed constructs still gets a type."""
    assert sniff((b"<!DOCTYPE a [" + piece * 8192)[:8192], complete=False)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("names", "media_type"),
    [
        (("[Content_Types].xml", "_rels/.rels", "word/document.xml"), "wordprocessingml.document"),
        (("_rels/.rels", "docProps/app.xml", "xl/workbook.xml"), "spreadsheetml.sheet"),
        (("[Content_Types].xml", "ppt/presentation.xml"), "presentationml.presentation"),
    ],
)
def test_office_files(names: tuple[str, ...], media_type: str, *, stream: bool) -> None:
    """Office Open XML is recognized by its first entries, with sizes before or after content."""
    head = archive(*((name, b"<x/>" * 50) for name in names), stream=stream)[:8192]
    assert sniff(head, complete=False) == OOXML + media_type


@pytest.mark.parametrize(
    ("entries", "media_type"),
    [
        ([("a.txt", b"word/ xl/")], "application/zip"),
        ([("word/a.txt", b"")], "application/zip"),
        ([("[Content_Types].xml", b""), ("other/a", b"")], "application/zip"),
        ([("META-INF/MANIFEST.MF", b"")], "application/java-archive"),
        ([("mimetype", b"application/epub+zip")], "application/epub+zip"),
        (
            [("mimetype", b"application/vnd.oasis.opendocument.text")],
            "application/vnd.oasis.opendocument.text",
        ),
        ([("mimetype", b"text/html")], "application/zip"),
        (
            [("inner.zip", archive(("[Content_Types].xml", b""), ("word/a", b"")))],
            "application/zip",
        ),
        ([], "application/zip"),
    ],
)
def test_zip_kinds(entries: list[tuple[str, bytes]], media_type: str) -> None:
    """Only the archive's own headers count; a stated type counts only if it is a ZIP format."""
    assert sniff(archive(*entries), complete=True) == media_type


@given(head=st.binary(max_size=600), complete=st.booleans())
def test_no_bytes_raise(head: bytes, *, complete: bool) -> None:
    """Any bytes, alone or after a signature, get a type and a decision on active content."""
    for start in (b"", b"PK\x03\x04", OLE, iso(b"mif1")[:12], b"\x28\xb5\x2f\xfd", PNG[:8]):
        assert is_pattern(sniff(start + head, complete=complete))
        assert all(map(is_pattern, may_become(start + head)))
        active_content(start + head)


def test_skippable_frames_do_not_exhaust_the_stack() -> None:
    """A head full of empty Zstandard frames gets a type without recursion."""
    head = b"\x50\x2a\x4d\x18\0\0\0\0" * 1024
    assert sniff(head, complete=False) == "application/zstd"
    assert sniff(b"\x28\xb5\x2f\xfd\x04\0", complete=False) == "application/zstd"


@pytest.mark.parametrize(
    "head",
    [
        GIF + b"<script>alert(1)</script>",
        JPEG + b"<ScRiPt src=x>",
        JPEG + b"<HTML>",
        PNG + b"<svg onload=x>",
        JPEG + b"%PDF-1.4",
        JPEG + b"PK\x03\x04",
        PNG + b"<img src=x onerror=y>",
        b"GIF89a/*" + bytes(20) + b"*/=1;alert(1)",
        b"GIF89a=1;alert(1)",
        b"BM/*" + bytes(20),
        b"RIFF/*" + bytes(20),
        b"\xff\xd8\xff\xe0/*JFIF" + bytes(20),
        "x <script>".encode("utf-16"),
        b"text with <iframe src=x>",
    ],
)
def test_polyglots_are_active(head: bytes) -> None:
    """A picture or text that is also a page, script, PDF or archive is active."""
    assert active_content(head)


@pytest.mark.parametrize(
    "head",
    [
        PNG,
        JPEG,
        GIF,
        b"",
        b"a < b, c > d, 100%",
        b"GIF89a=\x00\x10\x00" + bytes(20),
        JPEG + b'<?xpacket begin=""?><x:xmpmeta><rdf:RDF>',
        b"RIFF=\x10\x00\x00WAVE",
    ],
)
def test_plain_pictures_are_inert(head: bytes) -> None:
    """Harmless files are not active, even with XMP metadata or a size that begins with `=`."""
    assert not active_content(head)
