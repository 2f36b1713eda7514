"""Formats with a signature of two to four bytes, which need more evidence in their headers.

A text that begins with "BMW" or "MZ Bank" must not become a picture or a program because of its
first letters. Each function returns the media type, or None for other bytes.
"""

from __future__ import annotations

import struct
from typing import Final

from wharf_upload.content_types.content import Content

# The offset of the pixels, the header's size, width, height, planes and bits of a pixel.
_BMP: Final = struct.Struct("<10xLLLLHH")
_BMP_OLD: Final = struct.Struct("<10xLLHHHH")
_BMP_HEADERS: Final = frozenset((12, 16, 40, 52, 56, 64, 108, 124))
_BMP_DEPTHS: Final = frozenset((0, 1, 2, 4, 8, 16, 24, 32))
_PROGRAM: Final = "application/x-msdownload"
_MZ: Final = struct.Struct("<2x5H")  # last page, pages, relocations, header size, least memory
_MZ_NEW: Final = (b"PE\0\0", b"NE", b"LE", b"LX")
_TIFF_MOST_ENTRIES: Final = 4096
_ICON: Final = struct.Struct("<4xH")
_ICON_ENTRY: Final = struct.Struct("<3xBHHLL")
_SFNT: Final = struct.Struct(">4xHHHH")
_SFNT_ENTRY: Final = struct.Struct(">4s4xLL")
_MOST_TABLES: Final = 256
_PCX: Final = struct.Struct("<BBBBHHHH")
_DBF: Final = struct.Struct("<BBBBLHH")
DBF_VERSIONS: Final = frozenset((0x02, 0x03, 0x04, 0x05, 0x30, 0x31, 0x32, 0x43, 0x63, 0x83, 0x8B))
_SHORT, _LONG = struct.Struct("<H"), struct.Struct("<L")
_LARGEST_JAVA_VERSION: Final = 100
_MACH_TYPES: Final = 12
#: The first bytes of Mach-O files for 32 and 64 bits, in either byte order.
MACH_WORDS: Final = (
    b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe",
)  # fmt: skip


def bmp_type(content: Content) -> str | None:
    """Return "image/bmp" for a bitmap header, from BITMAPCOREHEADER up to BITMAPV5HEADER."""
    old = content.numbers(_BMP_OLD, 0)
    if old is None or old[1] not in _BMP_HEADERS:
        return None
    offset, header, width, height, planes, depth = (
        old if old[1] == 12 else content.numbers(_BMP, 0) or old
    )
    fits = planes == 1 and depth in _BMP_DEPTHS and width and height
    return "image/bmp" if fits and 14 + header <= offset < 1 << 20 else None


def program_type(content: Content) -> str | None:
    """Return the type of a program for DOS or Windows.

    The file must have a known second header, or a first header with plausible sizes.
    """
    found = content.numbers(_MZ, 0)
    if found is None:
        return None
    last, pages, _relocations, header, _memory = found
    second = content.numbers(_LONG, 60)
    if second is not None and second[0] >= 4 and content.read(second[0], 4).startswith(_MZ_NEW):
        return _PROGRAM
    # DOS counts in pages of 512 bytes and, for the header, in paragraphs of 16.
    size = 512 * pages - (512 - last if last else 0)
    sane = last <= 511 and pages and header >= 2 and 16 * header <= size
    return _PROGRAM if sane and content.may_hold(16 * header) and _fits(content, size) else None


def _fits(content: Content, size: int) -> bool:
    """Tell whether a file may be at least as large as its header declares.

    A program may have more data after the declared size.
    """
    return content.size is None or size <= content.size


def tiff_type(content: Content) -> str | None:
    """Return the type of a TIFF file, or of a Canon raw file, which begins like TIFF."""
    head = content.head
    order = "<" if head.startswith(b"II") else ">"
    offset = int.from_bytes(head[4:8], "little" if order == "<" else "big")
    if len(head) < 10 or offset < 8 or not content.may_hold(offset + 2):
        return None
    count = content.numbers(struct.Struct(f"{order}H"), offset)
    if count is not None and not 0 < count[0] <= _TIFF_MOST_ENTRIES:
        return None
    return "image/x-canon-cr2" if head[8:10] == b"CR" else "image/tiff"


def icon_type(content: Content) -> str | None:
    """Return the type of an icon or a cursor: its first picture is after the list of pictures."""
    count = content.numbers(_ICON, 0)
    entry = content.numbers(_ICON_ENTRY, 6)
    if count is None or entry is None or not 0 < count[0] <= 1024:
        return None
    reserved, _, _, size, offset = entry
    if reserved or not size or offset < 6 + 16 * count[0] or not content.may_hold(offset + size):
        return None
    return "image/x-icon" if content.head[2] == 1 else "image/x-win-bitmap"


def font_type(content: Content) -> str | None:
    """Return the type of a TrueType or OpenType font with a plausible first table entry."""
    found = content.numbers(_SFNT, 0)
    entry = content.numbers(_SFNT_ENTRY, 12)
    if found is None or entry is None:
        return None
    tables, _search, _selector, _shift = found
    tag, offset, size = entry
    named = all(0x20 <= byte < 0x7F for byte in tag)
    if not 0 < tables <= _MOST_TABLES or not named or not content.may_hold(offset + size):
        return None
    return "font/otf" if content.head.startswith(b"OTTO") else "font/ttf"


def embedded_font_type(content: Content) -> str | None:
    """Return the type of an Embedded OpenType font from its version and sizes."""
    head = content.head
    version = head[8:12] in {b"\0\0\1\0", b"\1\0\2\0", b"\2\0\2\0"}
    whole, font = int.from_bytes(head[:4], "little"), int.from_bytes(head[4:8], "little")
    return "application/vnd.ms-fontobject" if version and 0 < font < whole else None


def dbf_type(content: Content) -> str | None:
    """Return the type of a dBASE table: its header has a valid date and an end mark."""
    found = content.numbers(_DBF, 0)
    if found is None:
        return None
    version, _year, month, day, _rows, header, row = found
    dated = 0 < month <= 12 and 0 < day <= 31
    if version not in DBF_VERSIONS or not dated or header < 33 or not row:
        return None
    ends = b"\r" in content.read(header - 1, 1) or b"\r" in content.read(header - 264, 1)
    return "application/x-dbf" if ends else None


def pcx_type(content: Content) -> str | None:
    """Return "image/x-pcx" for a ZSoft header with valid fields and a frame that has an area."""
    found = content.numbers(_PCX, 0)
    if found is None or len(content.head) < 128:
        return None
    _, version, encoding, depth, left, top, right, bottom = found
    planes = content.head[65]
    fits = version in {0, 2, 3, 4, 5} and encoding <= 1 and depth in {1, 2, 4, 8}
    area = left <= right and top <= bottom
    return "image/x-pcx" if fits and area and not content.head[64] and 0 < planes <= 4 else None


def compress_type(content: Content) -> str | None:
    """Return the type of compress(1) output: codes of 9 to 16 bits, reserved flags unset."""
    flags = content.head[2] if len(content.head) > 3 else 0
    return "application/x-compress" if 9 <= flags & 0x1F <= 16 and not flags & 0x60 else None


def flash_type(content: Content) -> str | None:
    """Return the type of a Flash film with a known version and a plausible length."""
    head = content.head
    if len(head) < 9 or not 0 < head[3] <= 50:
        return None
    size = int.from_bytes(head[4:8], "little")
    plain = head[:1] == b"F"
    fits = size > 8 and (content.may_hold(size) if plain else size < 1 << 30)
    return "application/x-shockwave-flash" if fits else None


def java_or_mach_type(content: Content) -> str | None:
    """Return the type of a file that begins with CAFEBABE: Java class or Mach-O universal binary.

    A class has its minor and major version at the offset where a universal binary has the number
    of its programs.
    """
    head = content.head
    if len(head) < 8:
        return None
    if 45 <= int.from_bytes(head[6:8], "big") < _LARGEST_JAVA_VERSION:
        return "application/java-vm"
    programs = int.from_bytes(head[4:8], "big")
    return "application/x-mach-binary" if 0 < programs < 45 else None


def mach_type(content: Content) -> str | None:
    """Return the type of a Mach-O file: its kind is a number from 1 to 12."""
    head = content.head
    kind = int.from_bytes(head[12:16], "big" if head.startswith(b"\xfe") else "little")
    return "application/x-mach-binary" if 0 < kind <= _MACH_TYPES else None


def elf_type(content: Content) -> str | None:
    """Return the type of an ELF file with a valid class, byte order and version."""
    fits = content.head[4:5] in {b"\1", b"\2"} and content.head[5:6] in {b"\1", b"\2"}
    return "application/x-executable" if fits and content.head[6:7] == b"\1" else None
