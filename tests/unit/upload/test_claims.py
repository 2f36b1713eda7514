"""Tests of which types a client may claim for bytes that do not show their type."""

from __future__ import annotations

import io
import zipfile

import pytest

from servicekit.tickets import Ticket
from wharf_upload.content_types.sniffing import HEAD_BYTES
from wharf_upload.domain.buckets import Policy
from wharf_upload.domain.files import File
from wharf_upload.domain.policies import BucketPolicy, checked
from wharf_upload.domain.upload_intent import SizeLimit, TypeNotAllowed, UploadIntent
from wharf_upload.uploads import new_file

OOXML = "application/vnd.openxmlformats-officedocument."
WORD = OOXML + "wordprocessingml.document"
VISIO = "application/vnd.ms-visio.drawing.macroenabled.main+xml"
APK = "application/vnd.android.package-archive"
PEM = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
MESH = b"solid a\nfacet normal 0 0 1\nendsolid a\n"
PROGRAM = b"\x7fELF\2\1\1" + bytes(9) + b"\2\0\x3e\0" + bytes(200)
GPX = b'<gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1"></gpx>'
PAGE = b'<html xmlns="http://www.w3.org/1999/xhtml"><head/></html>'
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000)
GZIP = b"\x1f\x8b\x08\0" + bytes(60)
WEBM = b"\x1a\x45\xdf\xa3\x87\x42\x82\x84webm" + bytes(20)
MATROSKA = b"\x1a\x45\xdf\xa3\x8b\x42\x82\x88matroska\x18\x53\x80\x67\x01" + b"\xff" * 7


def archive(*names: str) -> bytes:
    """Return the bytes of a ZIP file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as target:
        for name in names:
            target.writestr(name, "x")
    return file.getvalue()


ZIP = archive("malware.js")


def stored(
    content: bytes, name: str, allowed: tuple[str, ...], declared: str | None = None
) -> File:
    """Return the record of a file in a bucket for some types; raise `TypeNotAllowed` if refused."""
    checked(BucketPolicy(allowed_types=allowed))
    intent = UploadIntent(
        tenant="t",
        subject="s",
        bucket="b",
        key=name,
        policy=Policy(allowed_types=allowed),
        largest=SizeLimit(1 << 40, "limit"),
        declared_type=declared,
    )
    return new_file.of_bytes(intent, content, bytes(32))


@pytest.mark.parametrize(
    ("allowed", "content", "name", "declared"),
    [
        # A pattern for a family allows only the types that the bytes show.
        ("image/*", ZIP, "malware.zip", "image/openraster"),
        ("image/*", ZIP, "malware.ora", "image/openraster"),
        ("image/*", ZIP, "malware.ora", None),
        ("image/*", b"<?php system($_GET[1]); ?>", "shell.php", "image/x-xpixmap"),
        ("image/*", b"alert(1)", "shell.xpm", "image/x-xpixmap"),
        ("image/*", b"alert(1)", "shell", "image/x-xbitmap"),
        ("audio/*", b"start x", "evil.bat", "audio/x-mpegurl"),
        ("audio/*", b"start x", "evil.m3u", "audio/x-mpegurl"),
        ("text/*", PROGRAM, "true", "text/x-python"),
        ("text/*", PROGRAM, "true.py", "text/x-python"),
        ("text/*", GZIP, "a.txt", "text/plain"),
        ("application/*", b"print 1", "a.pl", "application/x-perl"),
        ("font/*", ZIP, "a.ttf", "font/ttf"),
        ("application/xml", b"<note/>\0\1\2", "a.xml", "application/xml"),
        # The bytes of a file of this type would show the type.
        (WORD, ZIP, "a.docx", WORD),
        (WORD, ZIP, "a.zip", WORD),
        (WORD, ZIP, "a", WORD),
        (WORD, archive("xl/workbook.xml", "[Content_Types].xml"), "a.docx", WORD),
        (APK, ZIP, "a.apk", None),
        (APK, ZIP, "a.zip", APK),
        ("image/openraster", ZIP, "a.ora", "image/openraster"),
        ("application/rtf", b"not rtf", "t.rtf", "application/rtf"),
        ("application/postscript", b"not ps", "t.ps", "application/postscript"),
        ("model/ply", b"no mesh", "t.ply", "model/ply"),
        ("application/x-tar", GZIP, "t.tar", "application/x-tar"),
        ("text/x-script", b"no script", "t.sh", "text/x-script"),
        ("application/x-executable", b"text", "t.elf", "application/x-executable"),
        # The name contradicts the bytes or the declared type.
        (VISIO, ZIP, "a.txt", VISIO),
        ("application/illustrator", b"text", "a.pdf", "application/illustrator"),
        ("text/csv", b"<?php system($_GET[1]); ?>", "f.php", "text/csv"),
        ("text/csv", b"alert(1)", "f.js", "text/csv"),
        ("text/csv", b"start x", "f.bat", "text/csv"),
        ("text/csv", b"{}", "f.json", "text/csv"),
        ("application/json", b"<?php ?>", "f.php", "application/json"),
        ("application/*", b"<?php ?>", "f.php", "application/json"),
        ("application/x-sh", b"#!/bin/sh\n", "f.php", "application/x-sh"),
        ("model/*", b"<?php ?>", "f.php", "model/obj"),
        ("application/x-x509-ca-cert", PEM, "f.php", "application/x-x509-ca-cert"),
        # Only the client calls these bytes XML.
        ("application/xml", b"hello <x", "a.xml", "application/xml"),
        ("application/xml", b"<user@example.com> wrote", "a.xml", "application/xml"),
        ("application/xml", b"<note", "a.xml", "application/xml"),
        ("application/xml", b"<note/>", "a.txt", None),
        ("application/xml", b"<note/>", "a.php", "application/xml"),
        ("application/xml", b"<p>a</p>", "a.xml", "application/xml"),
        ("application/xml", b"<!-- a --><script>x</script>", "a.xml", "application/xml"),
        ("application/xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a.xml", "text/xml"),
        ("application/gpx+xml", b"no gpx", "a.gpx", "application/gpx+xml"),
        ("application/xhtml+xml", b"<html><p>a</html>", "a.xhtml", "application/xhtml+xml"),
        ("application/xhtml+xml", b"<!doctype html><html>", "a.xhtml", "application/xhtml+xml"),
        ("application/xhtml+xml", PAGE, "a.txt", None),
        ("application/xhtml+xml", b"text", "a.xhtml", "application/xhtml+xml"),
        ("image/svg+xml", b"<note/>", "a.svg", "image/svg+xml"),
    ],
)
def test_no_word_evades_a_policy(
    allowed: str, content: bytes, name: str, declared: str | None
) -> None:
    """Neither a declared type nor a name brings a file into a bucket for other types."""
    with pytest.raises(TypeNotAllowed):
        stored(content, name, (allowed,), declared)


@pytest.mark.parametrize(
    ("allowed", "content", "name", "declared", "recorded"),
    [
        ("text/csv", b"a,b\n", "a.csv", None, "text/csv"),
        ("text/csv", b"a,b\n", "a", "text/csv", "text/csv"),
        ("text/csv", b"a,b\n", "a.txt", "text/csv", "text/csv"),
        ("text/csv", b"<b>x</b>,1\n", "a.csv", "text/csv", None),
        ("text/csv", b"<i>x</i>,1\n", "a.csv", "text/csv", "text/csv"),
        ("application/*", b"{}", "a.json", "application/json", "application/json"),
        ("text/*", b"#!/bin/sh\n", "a.sh", None, "text/x-script"),
        (WORD, OLE, "a.docx", WORD, WORD),
        (WORD, archive("word/document.xml", "[Content_Types].xml"), "a.docx", None, WORD),
        ("application/x-wheel+zip", ZIP, "a.whl", None, "application/x-wheel+zip"),
        # Common files of types that are written as text.
        ("application/x-sh", b"#!/bin/sh\n", "a.sh", None, "application/x-sh"),
        ("application/x-sh", b"echo 1\n", "a.sh", None, "application/x-sh"),
        ("text/x-python", b"#!/usr/bin/python\n", "a.py", None, "text/x-python"),
        ("text/plain", b"#!/bin/sh\n", "a.sh", None, "text/x-script"),
        ("text/plain", b"#!/bin/sh\n", "a", None, "text/x-script"),
        ("model/stl", MESH, "a.stl", None, "model/stl"),
        ("model/*", MESH, "a.stl", None, "model/stl"),
        ("model/*", b"v 0 0 0\n", "a.obj", None, "model/obj"),
        ("message/*", b"From: a\n\nb", "a.eml", None, "message/rfc822"),
        ("application/x-x509-ca-cert", PEM, "a.crt", None, "application/pkix-cert"),
        (
            "application/x-x509-ca-cert", PEM, "a.pem", "application/x-x509-ca-cert",
            "application/pkix-cert",
        ),
        ("application/pkcs8", b"-----BEGIN", "a.p8", None, "application/pkcs8"),
        ("application/pkcs10", b"-----BEGIN", "a.csr", None, "application/pkcs10"),
        ("image/x-xpixmap", b"/* XPM */", "a.xpm", None, "image/x-xpixmap"),
        ("image/x-xbitmap", b"#define a_width 1", "a.xbm", None, "image/x-xbitmap"),
        # XML without a declaration.
        ("application/xml", b"<note>a</note>", "a.xml", None, "application/xml"),
        ("application/xml", b"\xef\xbb\xbf\n<note/>", "a.xml", None, "application/xml"),
        ("application/xml", b"<!-- a -->\n<note a='1'\n b = \"2\" />", "a.xml", None,
         "application/xml"),
        ("text/xml", b"<a:note xmlns:a='b'>", "a", "text/xml; charset=utf-8", "application/xml"),
        ("application/xml", "<größe>1</größe>".encode(), "a.xml", None, "application/xml"),
        ("application/gpx+xml", GPX, "a.gpx", None, "application/gpx+xml"),
        ("application/vnd.google-earth.kml+xml", b"<kml><Document/></kml>", "a.kml", None,
         "application/vnd.google-earth.kml+xml"),
        ("application/gpx+xml", b"<!-- a -->" + GPX, "a.gpx", None, "application/gpx+xml"),
        ("application/xhtml+xml", PAGE, "a.xhtml", None, "application/xhtml+xml"),
        ("text/html", PAGE, "a.xhtml", None, "text/html"),
        ("text/plain", b"<note/>", "a.xml", None, "text/plain"),
        ("video/webm", MATROSKA, "a.webm", None, "video/webm"),
    ],
)  # fmt: skip
def test_a_policy_takes_the_usual_files_of_its_types(
    allowed: str, content: bytes, name: str, declared: str | None, recorded: str | None
) -> None:
    """A name or a declared type gives the recorded type of bytes that do not show their type."""
    if recorded is None:  # Every browser treats this file as a page.
        with pytest.raises(TypeNotAllowed):
            stored(content, name, (allowed,), declared)
        return
    file = stored(content, name, (allowed,), declared)
    assert file.media_type == recorded


def test_a_name_that_fits_is_looked_for() -> None:
    """If a client claims several types, the type that fits the name is recorded."""
    allowed = ("text/csv", "application/json")
    assert stored(b"{}", "a.json", allowed, "text/csv").media_type == "application/json"
    said = r"declares text/csv, which does not fit the name f\.php"
    with pytest.raises(TypeNotAllowed, match=said) as caught:
        stored(b"{}", "f.php", allowed, "text/csv")
    assert caught.value.allowed == allowed


def test_what_is_shown_is_looked_at_as_what_it_is_shown_as() -> None:
    """A Matroska file that is served as WebM is not shown inline if it contains a script."""
    script = b"<script>alert(1)</script>"
    for content, allowed in ((MATROSKA, ("video/webm",)), (WEBM, ())):
        assert stored(content + script, "a.webm", allowed).active
        assert not stored(content + bytes(40), "a.webm", allowed).active


def test_a_large_file_is_judged_by_its_head() -> None:
    """XML without a declaration is recognized in files that are not read completely."""
    content = b"<note>" + b"a" * 3 * HEAD_BYTES
    assert stored(content, "a.xml", ("application/xml",)).media_type == "application/xml"


def test_a_ticket_takes_claims_as_a_bucket_does() -> None:
    """As in a bucket, a family in a ticket allows only types that the bytes show."""
    intent = UploadIntent(
        tenant="t",
        subject="s",
        bucket="b",
        key="a.xpm",
        policy=Policy(allowed_types=("image/x-xpixmap",)),
        largest=SizeLimit(1 << 40, "limit"),
        ticket=Ticket(bucket="b", prefix="", methods=("PUT",), allowed_types=("image/*",)),
    )
    with pytest.raises(TypeNotAllowed):
        new_file.of_bytes(intent, b"/* XPM */", bytes(32))
