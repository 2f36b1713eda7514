"""The files of the corpus that Python or its packages write.

For each file `WRITERS` contains the name, the type that a person gives the file, the package that
writes it, and the function that calls the package.
"""

# ruff: noqa: RUF001 -- texts in other alphabets
from __future__ import annotations

import email.message
import email.mime.multipart
import email.mime.text
import importlib
import io
import json
import plistlib
import py_compile
import sqlite3
import tarfile
import wave
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple


class Writer(NamedTuple):
    """A file of the corpus, and the function that writes it."""

    name: str
    media_type: str
    package: str
    write: Callable[[Path], object]


WRITERS: list[Writer] = []
_OOXML = "application/vnd.openxmlformats-officedocument."
_ZIP = "application/zip"


def writes(name: str, media_type: str, package: str) -> Callable[[Callable[[Path], Any]], Any]:
    """Register a function that writes a file of this type with this package."""

    def note(write: Callable[[Path], Any]) -> Callable[[Path], Any]:
        WRITERS.append(Writer(name, media_type, package, write))
        return write

    return note


def _library(name: str) -> Any:
    """Return a package that only the maker of the corpus needs."""
    return importlib.import_module(name)


def _put(content: bytes) -> Callable[[Path], object]:
    """Return a function that writes these bytes."""
    return lambda path: path.write_bytes(content)


# --- text, in Unicode and in older encodings


_GERMAN = "Name;Straße;Preis\r\nMüller;Hauptstraße 1;3,50\r\nBMW;Größe;2\r\n"
_JAPANESE = "名前,住所\r\n田中,東京都\r\n"
_CHINESE = "姓名,地址\r\n王小明,北京市\r\n"
_RUSSIAN = "Имя;Адрес\r\nИванов;Москва\r\n"
_KOREAN = "이름,주소\r\n홍길동,서울\r\n"
_GREEK = "Όνομα;Διεύθυνση\r\nΓιώργος;Αθήνα\r\n"
_TEXTS = {
    "table-windows-1252.csv": (_GERMAN, "cp1252"),
    "table-latin-1.csv": (_GERMAN, "latin-1"),
    "table-cp850.csv": (_GERMAN, "cp850"),
    "table-macroman.csv": (_GERMAN, "mac_roman"),
    "table-shift-jis.csv": (_JAPANESE, "shift_jis"),
    "table-euc-jp.csv": (_JAPANESE, "euc_jp"),
    "table-iso-2022-jp.csv": (_JAPANESE, "iso2022_jp"),
    "table-gbk.csv": (_CHINESE, "gbk"),
    "table-gb18030.csv": (_CHINESE, "gb18030"),
    "table-big5.csv": (_CHINESE, "big5"),
    "table-koi8-r.csv": (_RUSSIAN, "koi8_r"),
    "table-windows-1251.csv": (_RUSSIAN, "cp1251"),
    "table-cp866.csv": (_RUSSIAN, "cp866"),
    "table-euc-kr.csv": (_KOREAN, "euc_kr"),
    "table-windows-1253.csv": (_GREEK, "cp1253"),
    "table-utf-8.csv": (_GERMAN, "utf-8"),
    "table-utf-8-bom.csv": (_GERMAN, "utf-8-sig"),
    "table-utf-16.csv": (_GERMAN, "utf-16"),
    "table-utf-32.csv": (_GERMAN, "utf-32"),
    "BMW.txt": ("BMW und MZ Größe\n", "cp1252"),
    "MZ.txt": ("MZ-Räder\n", "cp1252"),
    "ID3.txt": ("ID3-Schlüssel für Musik\n", "cp1252"),
    "GIF89a.txt": ("GIF89a für Anfänger\n", "cp1252"),
    "PK.txt": ("PK für Anfänger\n", "cp1252"),
    "ya.txt": ("яп и яы\n", "cp1251"),
}
for _name, (_text, _encoding) in _TEXTS.items():
    WRITERS.append(Writer(_name, "text/plain", "python", _put(_text.encode(_encoding))))
WRITERS.append(Writer("dos.txt", "text/plain", "python", _put("Grüße\r\n\x1a".encode("cp437"))))
_PLAIN = {
    "notes.md": "# Notes\n\n- one\n- two\n",
    "data.json": '{"a": [1, 2]}\n',
    "data.ndjson": '{"a": 1}\n{"a": 2}\n',
    "data.geojson": '{"type": "Point", "coordinates": [0, 0]}\n',
    "data.yaml": "a:\n  - 1\n",
    "data.toml": 'a = "b"\n',
    "data.ini": "[a]\nb=c\n",
    "data.tsv": "a\tb\n1\t2\n",
    "meeting.ics": "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//a//b//EN\r\nEND:VCALENDAR\r\n",
    "person.vcf": "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:A\r\nEND:VCARD\r\n",
    "list.m3u8": "#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:1,\na.ts\n#EXT-X-ENDLIST\n",
    "titles.srt": "1\n00:00:00,000 --> 00:00:01,000\nHello\n",
    "titles.vtt": "WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n",
    "query.sql": "select 1;\n",
    "program.py": "print(1)\n",
    "program.c": "int main(void) { return 0; }\n",
    "program.js": "console.log(1)\n",
    "style.css": "a { color: red }\n",
    "change.diff": "--- a\n+++ b\n@@ -1 +1 @@\n-a\n+b\n",
    "paper.tex": "\\documentclass{article}\\begin{document}a\\end{document}\n",
    "server.log": "2026-01-01 00:00:00 started\n",
    "drawing.dxf": "0\nSECTION\n2\nENTITIES\n0\nENDSEC\n0\nEOF\n",
    "mesh-plain.stl": "solid a\nendsolid a\n",
    "mesh.obj": "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
}
for _name, _text in _PLAIN.items():
    WRITERS.append(Writer(_name, "text/plain", "python", _put(_text.encode())))
_MARKED = {
    "page.html": ("<!DOCTYPE html><title>a</title>\n", "text/html"),
    "page-1252.htm": ("<html><body>Größe</body></html>\n", "text/html"),
    "page.xhtml": (
        '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"/>\n',
        "application/xhtml+xml",
    ),
    "data.xml": ('<?xml version="1.0"?><a/>\n', "application/xml"),
    "feed.rss": ('<?xml version="1.0"?><rss version="2.0"/>\n', "application/xml"),
    "track.gpx": ('<?xml version="1.0"?><gpx version="1.1"/>\n', "application/xml"),
    "place.kml": (
        '<?xml version="1.0"?><kml xmlns="http://www.opengis.net/kml/2.2"/>\n', "application/xml",
    ),
    "picture.svg": ('<svg xmlns="http://www.w3.org/2000/svg"/>\n', "image/svg+xml"),
    "program.sh": ("#!/bin/sh\necho\n", "text/x-script"),
}  # fmt: skip
for _name, (_text, _type) in _MARKED.items():
    _old = "cp1252" if "1252" in _name else "utf-8"
    WRITERS.append(Writer(_name, _type, "python", _put(_text.encode(_old))))


@writes("mail-html.eml", "text/plain", "python")
def _mail(path: Path) -> None:
    mail = email.message.EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "a@example.org", "b@example.org", "Grüße"
    mail.set_content("Hello")
    mail.add_alternative("<p>Hello</p>", subtype="html")
    path.write_bytes(bytes(mail))


@writes("page.mht", "text/plain", "python")
def _web_archive(path: Path) -> None:
    page = email.mime.multipart.MIMEMultipart("related")
    page["From"], page["Subject"] = "<Saved by a browser>", "a"
    page.attach(email.mime.text.MIMEText("<p>a</p>", "html"))
    path.write_bytes(bytes(page))


# --- Python itself


@writes("tone-py.wav", "audio/wav", "python")
def _wave(path: Path) -> None:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(bytes(200))


@writes("module.pyc", "application/x-python-bytecode", "python")
def _bytecode(path: Path) -> None:
    source = path.with_name("module_source.py")
    source.write_text("a = 1\n")
    py_compile.compile(str(source), cfile=str(path), dfile="module.py", doraise=True)
    source.unlink()


@writes("data.plist", "application/x-bplist", "python")
def _plist(path: Path) -> None:
    path.write_bytes(plistlib.dumps({"a": [1, 2]}, fmt=plistlib.FMT_BINARY))


@writes("data-py.db", "application/x-sqlite3", "python")
def _sqlite(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("create table t (a)")


@writes("map.gpkg", "application/geopackage+sqlite3", "python")
def _geopackage(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("pragma application_id = 0x47504B47")
        connection.execute("create table gpkg_contents (table_name text primary key)")


@writes("files-py.zip", _ZIP, "python")
def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("a.txt", "a" * 100)


@writes("files-zip64.zip", _ZIP, "python")
def _zip64(path: Path) -> None:
    with (
        zipfile.ZipFile(path, "w") as out,
        out.open("a.txt", "w", force_zip64=True) as entry,
    ):
        entry.write(b"a")


@writes("empty.zip", _ZIP, "python")
def _empty_zip(path: Path) -> None:
    zipfile.ZipFile(path, "w").close()


@writes("files-py.tar", "application/x-tar", "python")
def _tar(path: Path) -> None:
    with tarfile.open(path, "w") as out:
        entry = tarfile.TarInfo("a.txt")
        entry.size = 1
        out.addfile(entry, io.BytesIO(b"a"))


@writes("place.kmz", "application/vnd.google-earth.kmz", "python")
def _kmz(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("doc.kml", '<?xml version="1.0"?><kml/>')


@writes("comic.cbz", _ZIP, "python")
def _comic(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("1.jpg", b"\xff\xd8\xff\xd9")


# --- Office


@writes("letter-py.docx", _OOXML + "wordprocessingml.document", "python-docx")
def _docx(path: Path) -> None:
    docx = _library("docx")

    document = docx.Document()
    document.add_paragraph("Hello")
    document.save(str(path))


@writes("slides-py.pptx", _OOXML + "presentationml.presentation", "python-pptx")
def _pptx(path: Path) -> None:
    pptx = _library("pptx")

    pptx.Presentation().save(str(path))


@writes("table-py.xlsx", _OOXML + "spreadsheetml.sheet", "openpyxl")
def _xlsx(path: Path) -> None:
    openpyxl = _library("openpyxl")

    openpyxl.Workbook().save(path)


@writes("table-writer.xlsx", _OOXML + "spreadsheetml.sheet", "XlsxWriter")
def _xlsxwriter(path: Path) -> None:
    xlsxwriter = _library("xlsxwriter")

    book = xlsxwriter.Workbook(str(path))
    book.add_worksheet().write(0, 0, "a")
    book.close()


@writes("table-xlwt.xls", "application/vnd.ms-excel", "xlwt")
def _xls(path: Path) -> None:
    xlwt = _library("xlwt")

    book = xlwt.Workbook()
    book.add_sheet("a").write(0, 0, "b")
    book.save(str(path))


@writes("book.epub", "application/epub+zip", "EbookLib")
def _epub(path: Path) -> None:
    epub = _library("ebooklib.epub")

    book = epub.EpubBook()
    book.set_identifier("a")
    book.set_title("A")
    page = epub.EpubHtml(title="A", file_name="a.xhtml", content="<p>a</p>")
    book.add_item(page)
    book.spine = [page]
    book.add_item(epub.EpubNcx())
    epub.write_epub(str(path), book)


@writes("letter-odfpy.odt", "application/vnd.oasis.opendocument.text", "odfpy")
def _odt(path: Path) -> None:
    _library("odf.opendocument").OpenDocumentText().save(str(path))


@writes("report.pdf", "application/pdf", "reportlab")
def _pdf(path: Path) -> None:
    canvas = _library("reportlab.pdfgen.canvas").Canvas(str(path))
    canvas.drawString(10, 10, "a")
    canvas.save()


@writes("pages.pdf", "application/pdf", "pypdf")
def _pypdf(path: Path) -> None:
    writer = _library("pypdf").PdfWriter()
    writer.add_blank_page(10, 10)
    writer.write(path)


# --- scientific data


@writes("array.npy", "application/x-npy", "numpy")
def _npy(path: Path) -> None:
    np = _library("numpy")

    np.save(path, np.zeros(3))


@writes("arrays.npz", _ZIP, "numpy")
def _npz(path: Path) -> None:
    np = _library("numpy")

    np.savez(path, a=np.zeros(3))


@writes("data.mat", "application/x-matlab-data", "scipy")
def _mat(path: Path) -> None:
    io_of_scipy = _library("scipy.io")

    io_of_scipy.savemat(path, {"a": [1.0]})


@writes("grid.nc", "application/x-netcdf", "scipy")
def _netcdf(path: Path) -> None:
    io_of_scipy = _library("scipy.io")

    with io_of_scipy.netcdf_file(path, "w") as out:
        out.createDimension("x", 1)


@writes("data.h5", "application/x-hdf5", "h5py")
def _hdf5(path: Path) -> None:
    h5py = _library("h5py")

    with h5py.File(path, "w") as out:
        out["a"] = 1


@writes("grid4.nc", "application/x-hdf5", "netCDF4")
def _netcdf4(path: Path) -> None:
    with _library("netCDF4").Dataset(path, "w") as out:
        out.createDimension("x", 1)


def _table() -> Any:
    pa = _library("pyarrow")

    return pa.table({"a": [1, 2]})


@writes("table.parquet", "application/vnd.apache.parquet", "pyarrow")
def _parquet(path: Path) -> None:
    _library("pyarrow.parquet").write_table(_table(), path)


@writes("table.feather", "application/vnd.apache.arrow.file", "pyarrow")
def _feather(path: Path) -> None:
    _library("pyarrow.feather").write_feather(_table(), str(path))


@writes("table.arrow", "application/vnd.apache.arrow.file", "pyarrow")
def _arrow(path: Path) -> None:
    pa = _library("pyarrow")

    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, _table().schema) as out:
        out.write_table(_table())


@writes("table.orc", "application/x-orc", "pyarrow")
def _orc(path: Path) -> None:
    _library("pyarrow.orc").write_table(_table(), str(path))


@writes("table.avro", "application/avro", "fastavro")
def _avro(path: Path) -> None:
    fastavro = _library("fastavro")

    schema = {"type": "record", "name": "a", "fields": [{"name": "b", "type": "int"}]}
    with path.open("wb") as out:
        fastavro.writer(out, schema, [{"b": 1}])


@writes("scan.dcm", "application/dicom", "pydicom")
def _dicom(path: Path) -> None:
    dataset, uid = _library("pydicom.dataset"), _library("pydicom.uid")
    meta = dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID = uid.SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    data = dataset.FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    data.PatientName = "A"
    data.save_as(path, enforce_file_format=True)


@writes("sky.fits", "application/fits", "astropy")
def _fits(path: Path) -> None:
    np = _library("numpy")
    _library("astropy.io.fits").PrimaryHDU(np.zeros((2, 2))).writeto(path)


@writes("points.las", "application/vnd.las", "laspy")
def _las(path: Path) -> None:
    laspy = _library("laspy")

    laspy.create().write(str(path))


@writes("places.shp", "application/vnd.shp", "pyshp")
def _shape(path: Path) -> None:
    shapefile = _library("shapefile")

    with shapefile.Writer(str(path)) as out:
        out.field("a", "C")
        out.point(0, 0)
        out.record("b")


@writes("shape-table.dbf", "application/x-dbf", "pyshp")
def _shape_table(path: Path) -> None:
    _shape(path.with_suffix(".shp"))
    for other in (".shp", ".shx"):
        path.with_suffix(other).unlink()


@writes("table-dbf.dbf", "application/x-dbf", "dbf")
def _dbf(path: Path) -> None:
    dbf = _library("dbf")

    dbf.Table(str(path), "name C(10); n N(3,0)").open(dbf.READ_WRITE).close()


def _mesh() -> Any:
    trimesh = _library("trimesh")

    return trimesh.creation.box()


@writes("mesh.glb", "model/gltf-binary", "trimesh")
def _glb(path: Path) -> None:
    _mesh().export(path)


@writes("mesh.stl", "model/stl", "trimesh")
def _stl(path: Path) -> None:
    _mesh().export(path)


@writes("mesh.ply", "model/ply", "trimesh")
def _ply(path: Path) -> None:
    _mesh().export(path)


@writes("mesh.3mf", "model/3mf", "trimesh")
def _3mf(path: Path) -> None:
    _mesh().export(path)


@writes("mesh.gltf", "text/plain", "trimesh")
def _gltf(path: Path) -> None:
    path.write_text(json.dumps({"asset": {"version": "2.0"}}))


# --- others


@writes("secrets.kdbx", "application/x-keepass2", "pykeepass")
def _kdbx(path: Path) -> None:
    pykeepass = _library("pykeepass")

    pykeepass.create_database(str(path), password="secret")


@writes("files.torrent", "application/x-bittorrent", "torf")
def _torrent(path: Path) -> None:
    torf = _library("torf")

    source = path.with_name("torrent-source.txt")
    source.write_text("a" * 100)
    torrent = torf.Torrent(path=str(source), trackers=["http://example.org/announce"])
    torrent.generate()
    torrent.write(str(path))
    source.unlink()


@writes("pages.warc", "application/warc", "warcio")
def _warc(path: Path) -> None:
    with path.open("wb") as out:
        writer = _library("warcio.warcwriter").WARCWriter(out, gzip=False)
        writer.write_record(writer.create_warcinfo_record("a.warc", {"software": "a"}))


@writes("pages.warc.gz", "application/gzip", "warcio")
def _warc_gz(path: Path) -> None:
    with path.open("wb") as out:
        writer = _library("warcio.warcwriter").WARCWriter(out, gzip=True)
        writer.write_record(writer.create_warcinfo_record("a.warc", {"software": "a"}))


@writes("packets.pcap", "application/vnd.tcpdump.pcap", "dpkt")
def _pcap(path: Path) -> None:
    dpkt = _library("dpkt")

    with path.open("wb") as out:
        dpkt.pcap.Writer(out).writepkt(bytes(14))


@writes("packets.pcapng", "application/x-pcapng", "dpkt")
def _pcapng(path: Path) -> None:
    dpkt = _library("dpkt")

    with path.open("wb") as out:
        dpkt.pcapng.Writer(out).writepkt(bytes(14))


@writes("song.mid", "audio/midi", "mido")
def _midi(path: Path) -> None:
    mido = _library("mido")

    song = mido.MidiFile()
    song.tracks.append(mido.MidiTrack())
    song.save(path)


@writes("letter.txt.sz", "application/x-snappy-framed", "cramjam")
def _snappy(path: Path) -> None:
    cramjam = _library("cramjam")

    path.write_bytes(bytes(cramjam.snappy.compress(b"hello " * 10)))


def _pillow(name: str, media_type: str, **options: Any) -> None:
    def write(path: Path) -> None:
        _library("PIL.Image").new("RGB", (16, 16), "red").save(path, **options)

    WRITERS.append(Writer(name, media_type, "Pillow", write))


for _name, _type in (
    ("pillow.jpg", "image/jpeg"), ("pillow.png", "image/png"), ("pillow.gif", "image/gif"),
    ("pillow.bmp", "image/bmp"), ("pillow.tif", "image/tiff"), ("pillow.webp", "image/webp"),
    ("pillow.ico", "image/x-icon"), ("pillow.icns", "image/x-icns"), ("pillow.pcx", "image/x-pcx"),
    ("pillow.tga", "image/x-tga"), ("pillow.sgi", "image/x-sgi"), ("pillow.dds", "image/x-dds"),
    ("pillow.ppm", "image/x-portable-pixmap"), ("pillow.jp2", "image/jp2"),
    ("pillow.avif", "image/avif"), ("pillow.pdf", "application/pdf"),
    ("pillow.eps", "application/postscript"), ("pillow.mpo", "image/jpeg"),
):  # fmt: skip
    _pillow(_name, _type)
_pillow("pillow-big.tif", "image/tiff", big_tiff=True)


@writes("picture-psd.psd", "image/vnd.adobe.photoshop", "psd-tools")
def _psd(path: Path) -> None:
    picture = _library("PIL.Image").new("RGB", (4, 4))
    _library("psd_tools").PSDImage.frompil(picture).save(str(path))


@writes("font-tools.ttf", "font/ttf", "fonttools")
def _ttf(path: Path) -> None:
    _font().save(path)


@writes("font-tools.woff", "font/woff", "fonttools")
def _woff(path: Path) -> None:
    font = _font()
    font.flavor = "woff"
    font.save(path)


@writes("font-tools.woff2", "font/woff2", "fonttools")
def _woff2(path: Path) -> None:
    font = _font()
    font.flavor = "woff2"
    font.save(path)


@writes("fonts.ttc", "font/collection", "fonttools")
def _ttc(path: Path) -> None:
    collection = _library("fontTools.ttLib").TTCollection()
    collection.fonts = [_font(), _font()]
    collection.save(str(path))


def _font() -> Any:
    pen = _library("fontTools.pens.ttGlyphPen").TTGlyphPen(None)
    for number, point in enumerate(((0, 0), (0, 500), (500, 0))):
        (pen.moveTo if not number else pen.lineTo)(point)
    pen.closePath()
    builder = _library("fontTools.fontBuilder").FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef"])
    builder.setupCharacterMap({})
    builder.setupGlyf({".notdef": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (500, 0)})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "A", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    return builder.font
