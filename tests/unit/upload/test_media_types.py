"""Tests of the patterns of policies, of the inline list, and of extensions."""

from __future__ import annotations

from pathlib import Path

import pytest

from servicekit import known_types
from servicekit.file_types import FILE_TYPES
from wharf_upload.content_types import media_types

TOOLS = Path(__file__).parents[3] / "services" / "upload" / "tools"
OOXML = "application/vnd.openxmlformats-officedocument."


def test_nothing_executable_is_inline() -> None:
    """HTML, SVG, XML and PDF are not in the inline list, whose entries are all valid types."""
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
        ("image/jpg", "image/jpeg", True),
        ("audio/x-wav", "audio/wav", True),
        ("application/x-zip-compressed", "application/zip", True),
        ("application/ogg", "audio/ogg", True),
        ("application/ogg", "video/ogg", True),
        ("application/zip", "application/java-archive", False),
        ("text/plain", "text/html", False),
        ("*/*", "", False),
    ],
)
def test_patterns(pattern: str, media_type: str, *, expected: bool) -> None:
    """A pattern matches its type or family, in any case, with any parameters, and by any alias."""
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
    """A pattern is a type, a family or `*/*`, and nothing else."""
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
        # Names from the programs that write these files.
        ("a.opus", "audio/ogg", True),
        ("a.spx", "audio/ogg", True),
        ("a.ogv", "video/ogg", True),
        ("a.m4a", "video/mp4", True),
        ("a.m4a", "audio/mp4", True),
        ("a.m4a", "audio/3gpp", True),
        ("a.m4b", "audio/mp4", True),
        ("a.mp4", "audio/mp4", True),
        ("a.mp4", "video/quicktime", True),
        ("a.mov", "video/mp4", True),
        ("a.3gp", "video/3gpp", True),
        ("a.3gp", "audio/3gpp", True),
        ("a.3gp", "video/mp4", True),
        ("a.3g2", "video/3gpp2", True),
        ("a.weba", "audio/webm", True),
        ("a.webm", "audio/webm", True),
        ("a.mka", "audio/x-matroska", True),
        ("a.wma", "audio/x-ms-wma", True),
        ("a.asf", "video/x-ms-wmv", True),
        ("a.eml", "text/plain", True),
        ("a.mht", "text/plain", True),
        ("a.mbox", "text/plain", True),
        ("a.m3u8", "text/plain", True),
        ("a.srt", "text/plain", True),
        ("a.ics", "text/plain", True),
        ("a.pem", "text/plain", True),
        ("a.crt", "application/pkix-cert", True),
        ("a.stl", "text/plain", True),
        ("a.ai", "application/pdf", True),
        ("a.ai", "application/postscript", True),
        ("a.eps", "application/postscript", True),
        ("a.dotx", OOXML + "wordprocessingml.document", True),
        ("a.xlsm", OOXML + "spreadsheetml.sheet", True),
        ("a.docx", "application/x-ole-storage", True),
        ("a.msi", "application/x-msi", True),
        ("a.kmz", "application/zip", True),
        ("a.cbr", "application/vnd.rar", True),
        ("a.svgz", "application/gzip", True),
        ("a.nef", "image/tiff", True),
        ("a.dng", "image/tiff", True),
        ("a.otf", "font/ttf", True),
        ("a.ttf", "font/otf", True),
        ("a.pcap", "application/x-pcapng", True),
        ("a.nc", "application/x-hdf5", True),
        ("a.gpkg", "application/x-sqlite3", True),
        ("a.deb", "application/x-unix-archive", True),
        ("a.so", "application/x-executable", True),
        ("a.dll", "application/x-msdownload", True),
        ("a.gpx", "application/xml", True),
        ("a.txt", "application/xml", True),
        ("a.TAR.GZ", "application/gzip", True),
        # Types that these extensions must not hide.
        ("a.exe", "image/jpeg", False),
        ("a.jpg", "application/x-msdownload", False),
        ("a.jpg", "text/plain", False),
        ("a.jpg", "application/zip", False),
        ("a.docx", "application/java-archive", False),
        ("a.mp3", "video/mp4", False),
        ("a.csv", "text/html", False),
        ("a.json", "image/svg+xml", False),
        ("a.svg", "application/xml", False),
        ("a.xhtml", "application/xml", False),
        ("a.html", "image/svg+xml", False),
        ("a.m3u8", "application/x-msdownload", False),
        ("a.eml", "application/x-msdownload", False),
        ("a.opus", "video/webm", False),
        # Files whose bytes do not show their kind.
        ("refs.ris", "text/plain", None),
        ("Module1.vb", "text/plain", None),
        ("genes.bed", "text/plain", None),
        ("seq.gb", "text/plain", None),
        ("budget.iif", "text/plain", None),
        ("id_rsa.pub", "text/plain", True),
        ("part.nc", "text/plain", True),
        ("go.mod", "text/plain", True),
        ("app.aab", "application/zip", None),
        ("app.appx", "application/zip", None),
        ("app.msix", "application/zip", None),
        ("a.ggb", "application/zip", None),
        ("a.thmx", "application/zip", None),
        ("a.cdr", "application/zip", None),
        ("a.bdoc", "application/zip", None),
        ("a.gnumeric", "application/gzip", None),
        ("a.emz", "application/gzip", True),
        ("a.wmz", "application/gzip", True),
        ("a.dia", "application/gzip", True),
        ("a.cbr", "application/zip", True),
        ("a.cbz", "application/vnd.rar", True),
        ("a.pcf.gz", "application/gzip", True),
        ("a.pcf.gz", "application/x-font-pcf", True),
        ("a.ovf", "application/xml", None),
        ("a.vdx", "application/xml", None),
        ("a.appinstaller", "application/xml", None),
        ("a.raw", "image/tiff", None),
        ("a.ova", "application/x-tar", True),
        ("a.xhtml", "text/html", True),
        ("a.exe", "text/plain", False),
        ("a.png", "application/xml", False),
        ("a.mp4", "application/zip", False),
        ("a.apk", "application/gzip", False),
        ("a.xhtml", "text/plain", False),
        # A program must not have the extension of a script or a disk image.
        *(
            (f"a.{extension}", "application/x-executable", False)
            for extension in ("js", "py", "sh", "pl", "lua", "rb", "awk", "es", "iso")
        ),
        ("a.pdf", "application/postscript", False),
    ],
)
def test_extensions(filename: str, media_type: str, *, expected: bool | None) -> None:
    """An extension agrees with the bytes, contradicts them, or says nothing."""
    assert media_types.extension_agrees(filename, media_type) is expected


def test_relations_have_no_circle() -> None:
    """No type is its own ancestor, and ancestors have their canonical names."""
    for one in known_types.all_types():
        above = known_types.ancestors(one)
        assert one not in above
        assert all(known_types.name_of(each) == each for each in above), one


def test_no_text_is_a_kind_of_a_program() -> None:
    """Only formats of programs are kinds of a program."""
    programs = {
        one
        for one in known_types.all_types()
        if "application/x-executable" in known_types.ancestors(one)
    }
    names = ("core", "iso9660-runnable", "object", "pie-executable", "sharedlib")
    assert programs == {f"application/x-{name}" for name in names}


def test_what_clients_name_is_not_kept_for_ever() -> None:
    """The memory for relations is bounded, however many types clients name."""
    for number in range(10_000):
        known_types.ancestors(f"text/x-{number}")
    assert known_types.ancestors.cache_info().currsize <= 4096


def test_every_type_of_a_file_has_one_name() -> None:
    """Each type that sniffers return has its canonical name, which policies compare."""
    assert {each for each in FILE_TYPES if known_types.name_of(each) != each} == set()


def test_no_text_extension_hides_a_page() -> None:
    """An extension that agrees with text agrees with HTML or SVG only if it belongs to XML."""
    fitting = [
        extension
        for extension in known_types.all_extensions()
        if media_types.extension_agrees(f"a.{extension}", "text/plain")
    ]
    assert len(fitting) > 200
    for media_type in ("text/html", "image/svg+xml"):
        taking = {e for e in fitting if media_types.extension_agrees(f"a.{e}", media_type)}
        assert all("application/xml" in known_types.of_extension(e) for e in taking), taking


def test_the_table_has_what_wharf_adds() -> None:
    """The generated table has each line that Wharf adds."""
    lines = (TOOLS / "own_types.txt").read_text(encoding="utf-8").splitlines()
    added = [line.split(";") for line in lines if not line.startswith("#")]
    assert len(added) > 150
    for name, extensions, aliases, parents in added:
        one = name.strip()
        assert {one} == {known_types.name_of(each) for each in (one, *aliases.split())}
        assert all(one in known_types.of_extension(each) for each in extensions.split()), one
        assert known_types.ancestors(one) >= set(parents.split()), one
