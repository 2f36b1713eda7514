"""What a container holds, as far as the first 8 KiB tell: ZIP, OLE2 and ISO base media files.

Nothing is expanded here (security.md row 33): only names in headers are read.
"""

from __future__ import annotations

import re
from typing import Final

from filetype.types.document import Doc

ZIP: Final = "application/zip"
OLE: Final = "application/x-ole-storage"
ZIP_SIGNATURE: Final = b"PK\x03\x04"
OLE_SIGNATURE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

_OOXML: Final = "application/vnd.openxmlformats-officedocument."
# APPNOTE 4.3.7: a local header is 30 bytes, then the name, the extra field and the data.
_ZIP_HEADER_BYTES: Final = 30
_ZIP_MAX_ENTRIES: Final = 64
# EPUB and OpenDocument store their own type, uncompressed, as the first entry.
_MIMETYPE = re.compile(
    rb"application/(?:epub\+zip|vnd\.(?:oasis\.opendocument|sun\.xml)\.[a-z0-9.-]{1,60})"
)
_ZIP_NAMES: Final = (
    (b"word/", _OOXML + "wordprocessingml.document"),
    (b"xl/", _OOXML + "spreadsheetml.sheet"),
    (b"ppt/", _OOXML + "presentationml.presentation"),
    (b"visio/", "application/vnd.ms-visio.drawing"),
    (b"AndroidManifest.xml", "application/vnd.android.package-archive"),
    (b"META-INF/", "application/java-archive"),
)
_OFFICE_MARKS: Final = (b"[Content_Types].xml", b"_rels/", b"docProps/")

# Names of streams in the directory of a compound file, UTF-16LE (MS-CFB 2.6.1).
_OLE_STREAMS: Final = tuple(
    (name.encode("utf-16-le"), media_type)
    for name, media_type in (
        ("WordDocument", "application/msword"),
        ("Workbook", "application/vnd.ms-excel"),
        ("PowerPoint Document", "application/vnd.ms-powerpoint"),
        ("VisioDocument", "application/vnd.visio"),
        ("__substg1.0_", "application/vnd.ms-outlook"),
    )
)
_WORD: Final = Doc()

_BRANDS: Final = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), "image/heic"),
    **dict.fromkeys((b"avif", b"avis"), "image/avif"),
    **dict.fromkeys((b"M4A ", b"M4B ", b"M4P "), "audio/mp4"),
    b"qt  ": "video/quicktime",
    b"crx ": "image/x-canon-cr3",
    b"jp2 ": "image/jp2",
}
_MAX_BRANDS_BYTES: Final = 256


def zip_type(head: bytes) -> str:
    """Return the media type of a ZIP file from the local headers that lie in `head`.

    An Office file whose first entries do not tell its kind is plain "application/zip".
    """
    office = False
    for name, content in _entries(head):
        if name == b"mimetype" and (stated := _MIMETYPE.match(head, content)):
            return stated.group().decode("ascii")
        office = office or name.startswith(_OFFICE_MARKS)
        for start, media_type in _ZIP_NAMES:
            if name.startswith(start) and (office or not media_type.startswith(_OOXML)):
                return media_type
    return ZIP


def ole_type(head: bytes) -> str:
    """Return the media type of an OLE2 compound file; its directory may lie past `head`."""
    for name, media_type in _OLE_STREAMS:
        if name in head:
            return media_type
    # The library's Excel and PowerPoint tests mistake any file whose allocation table comes
    # first, such as an installer, for a spreadsheet; its Word test is exact.
    return "application/msword" if _WORD.match(head) else OLE


def isobmff_type(head: bytes) -> str | None:
    """Return the type of an ISO base media file (ISO/IEC 14496-12 4.3); None when it is none."""
    if head[4:8] != b"ftyp" or len(head) < 16:
        return None
    major = head[8:12]
    if major in _BRANDS:
        return _BRANDS[major]
    if major in {b"mif1", b"msf1", b"miaf"}:
        brands = head[16 : min(int.from_bytes(head[:4], "big"), _MAX_BRANDS_BYTES)]
        return "image/avif" if b"avi" in brands else "image/heic"
    if major.startswith(b"3g"):
        return "video/3gpp2" if major.startswith(b"3g2") else "video/3gpp"
    return "video/mp4"


def _entries(head: bytes) -> list[tuple[bytes, int]]:
    """Return (name, offset of the content) of the entries whose local headers lie in `head`."""
    found: list[tuple[bytes, int]] = []
    position = 0
    while position >= 0 and len(found) < _ZIP_MAX_ENTRIES:
        header = head[position : position + _ZIP_HEADER_BYTES]
        if len(header) < _ZIP_HEADER_BYTES or not header.startswith(ZIP_SIGNATURE):
            break
        name_end = position + _ZIP_HEADER_BYTES + int.from_bytes(header[26:28], "little")
        content = name_end + int.from_bytes(header[28:30], "little")
        found.append((head[position + _ZIP_HEADER_BYTES : name_end], content))
        position = _next_entry(head, header, content)
    return found


def _next_entry(head: bytes, header: bytes, content: int) -> int:
    """Return the offset of the next local header, or -1."""
    # Written as a stream (bit 3), the size follows the content and the header has to be searched.
    if header[6] & 0x08:
        return head.find(ZIP_SIGNATURE, content)
    return content + int.from_bytes(header[18:22], "little")
