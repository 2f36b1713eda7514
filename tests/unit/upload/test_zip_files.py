"""Tests of ZIP files, whose type follows from their directory, as for unpackers."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharf_upload.content_types.content import HEAD_BYTES, Content
from wharf_upload.content_types.zip_files import zip_type

OOXML = "application/vnd.openxmlformats-officedocument."
WORD, SHEET = OOXML + "wordprocessingml.document", OOXML + "spreadsheetml.sheet"
SLIDES = OOXML + "presentationml.presentation"
LIST = "[Content_Types].xml"
ODS = "application/vnd.oasis.opendocument.spreadsheet"
GRADLE = "META-INF/com/android/build/gradle/app-metadata.properties"
APK = "application/vnd.android.package-archive"
JAR = "application/java-archive"
LARGE = b"\x01\x02" * 10_000


def zipped(*entries: tuple[str, bytes], comment: bytes = b"", method: int = 0) -> bytes:
    """Return the bytes of a ZIP file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as target:
        for name, content in entries:
            target.writestr(name, content)
        target.comment = comment
    return file.getvalue()


def type_of(data: bytes, reads: list[int] | None = None) -> str:
    """Return the type of a file of which only the head is in memory."""

    def read_at(offset: int, length: int) -> bytes:
        if reads is not None:
            reads.append(length)
        return data[offset : offset + length]

    return zip_type(Content(data[:HEAD_BYTES], len(data), read_at))


@pytest.mark.parametrize(
    ("names", "media_type"),
    [
        (("docProps/thumbnail.jpeg", "word/document.xml", LIST), WORD),
        (("xl/workbook.xml", LIST), SHEET),
        (("word/embeddings/a.xlsx", "ppt/presentation.xml", LIST), SLIDES),
        ((GRADLE, "classes.dex", "AndroidManifest.xml"), APK),
        (("META-INF/MANIFEST.MF", "A.class"), JAR),
        (("META-INF/maven/a/pom.xml", "META-INF/MANIFEST.MF"), JAR),
        (("org/example/A.class",), JAR),
        (("xl\\workbook.xml", LIST), SHEET),
        (("META-INF/container.xml", "OEBPS/a.opf"), "application/epub+zip"),
        (("META-INF/container.xml", "a.musicxml"), "application/zip"),
        (("doc.kml",), "application/vnd.google-earth.kmz"),
        (("3D/3dmodel.model", "[Content_Types].xml"), "model/3mf"),
        (("FixedDocSeq.fdseq", "_rels/.rels"), "application/vnd.ms-xpsdocument"),
        (("a.usdc",), "model/vnd.usdz+zip"),
        (("folder/AndroidManifest.xml",), "application/zip"),
        (("word/document.xml",), "application/zip"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("comment", [b"", b"a comment PK\5\6 of ours", b"x" * 65535])
def test_the_directory_decides(names: tuple[str, ...], media_type: str, comment: bytes) -> None:
    """Names in the directory decide the type, even if the directory is after the head.

    The first entry and the archive's comment do not matter.
    """
    data = zipped(*((name, LARGE) for name in names), comment=comment)
    assert type_of(data) == media_type


@pytest.mark.parametrize(
    ("stated", "found"),
    [
        (ODS.encode(), ODS),
        (b"application/epub+zip", "application/epub+zip"),
        (b"application/epub+zip\n", "application/epub+zip"),
        (b"image/openraster", "image/openraster"),
        (b"text/html", "application/zip"),
        (b"application/vnd.oasis.opendocument.unheard-of", "application/zip"),
        (b"application/vnd.sun.xml.x", "application/zip"),
        (b"application/vnd.oasis.opendocument.text<script>", "application/zip"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", [0, 1])
def test_a_stated_type(stated: bytes, found: str, place: int) -> None:
    """A type that the file states is accepted at any place, if it is one of a ZIP format."""
    entries = [("content.xml", LARGE), ("mimetype", stated)]
    assert type_of(zipped(*(entries if place else reversed(entries)))) == found


def test_the_directory_wins_over_the_first_entries() -> None:
    """A local header that the directory does not list is not an entry."""
    word = zipped(("[Content_Types].xml", b""), ("word/document.xml", b""))
    jar = zipped(("META-INF/MANIFEST.MF", b""))
    assert type_of(word + jar) == JAR


def test_something_before_the_archive() -> None:
    """Offsets are relative to the archive's own beginning if another file precedes it."""
    first = zipped(("x.txt", LARGE))[: -(22 + 46 + 5)]
    assert type_of(first + zipped(("META-INF/MANIFEST.MF", b"a"))) == JAR


def test_zip64() -> None:
    """A directory whose place needs 64 bits is found by its locator."""
    data = zipped(("META-INF/MANIFEST.MF", b"a"))
    end = data.rindex(b"PK\5\6")
    size, offset = struct.unpack_from("<LL", data, end + 12)
    record = b"PK\6\6" + struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, 1, 1, size, offset)
    locator = b"PK\6\7" + struct.pack("<LQL", 0, end, 1)
    last = b"PK\5\6" + struct.pack("<HHHHLLH", 0, 0, 65535, 65535, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    assert type_of(data[:end] + record + locator + last) == JAR


def test_zip64_numbers_may_be_any() -> None:
    """A ZIP directory past the end of the file is not read; the first entries decide the type."""
    data = zipped(("META-INF/MANIFEST.MF", b"a" * 9000))
    end = data.rindex(b"PK\5\6")
    for offset in (1 << 63, (1 << 64) - 1):
        record = b"PK\6\6" + struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, 1, 1, offset, offset)
        for position in (end, offset):
            locator = b"PK\6\7" + struct.pack("<LQL", 0, position, 1)
            assert type_of(data[:end] + record + locator + data[end:]) == JAR


def test_an_unfinished_file_is_told_by_its_begin() -> None:
    """If a ZIP file has no directory, the entries in its head determine the type."""
    data = zipped(("META-INF/MANIFEST.MF", b"a"), ("A.class", LARGE))
    assert zip_type(Content(data[:HEAD_BYTES])) == JAR
    assert type_of(data[:-30]) == JAR


def test_reads_are_bounded() -> None:
    """A directory of 30,000 entries costs reads of little more than a megabyte."""
    data = zipped(*((f"{number:0100}", b"") for number in range(30_000)))
    reads: list[int] = []
    tracemalloc.start()
    assert type_of(data, reads) == "application/zip"
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(reads) < 1_200_000
    assert peak < 16_000_000


@given(st.data())
def test_broken_files_have_a_type(data: st.DataObject) -> None:
    """A file with any changed bytes still gets a type."""
    archive = bytearray(zipped(("mimetype", b"application/epub+zip"), ("a", b"b"), comment=b"c"))
    for _ in range(data.draw(st.integers(0, 4))):
        archive[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.integers(0, 255))
    assert "/" in type_of(bytes(archive))
