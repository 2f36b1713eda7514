"""Types of ISO base media, Matroska, Ogg, RIFF and ASF files: pictures, film, or only sound.

The parsers read only the headers of boxes and elements. The number of headers is bounded.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from wharf_upload.content_types.content import Content

_BRANDS: Final = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), "image/heic"),
    **dict.fromkeys((b"avif", b"avis"), "image/avif"),
    **dict.fromkeys((b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B "), "audio/mp4"),
    b"qt  ": "video/quicktime",
    b"crx ": "image/x-canon-cr3",
    b"jp2 ": "image/jp2",
    b"jpx ": "image/jpx",
    b"jpm ": "image/jpm",
    b"mjp2": "video/mj2",
    b"jxl ": "image/jxl",
}
_MAX_BRANDS_BYTES: Final = 256
_BOX: Final = struct.Struct(">L4s")
_LARGE_SIZE: Final = struct.Struct(">Q")
_MOST_BOXES: Final = 64
# A QuickTime file without `ftyp` begins with one of these boxes, and its second box is one of them.
_QUICKTIME_BOXES: Final = frozenset(
    (b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"PICT", b"uuid", b"udta")
)
_SEGMENT: Final = "video/iso.segment"
#: Segments of streamed films begin with one of these boxes (ISO/IEC 14496-12 8.16).
SEGMENT_BEGINS: Final = (b"styp", b"moof", b"sidx", b"emsg", b"prft")
_SEGMENT_BOXES: Final = frozenset((*SEGMENT_BEGINS, b"ssix", b"free", b"mdat"))
_HANDLER_OFFSET: Final = 8  # in a `hdlr` box, after version and flags and four zero bytes

# RFC 8794 and RFC 9559: elements of Matroska, with their marker bits.
_HEADER, _DOC_TYPE = 0x1A45DFA3, 0x4282
_SEGMENT_ID, _TRACKS, _CLUSTER = 0x18538067, 0x1654AE6B, 0x1F43B675
_TRACK_ENTRY, _TRACK_TYPE, _VIDEO = 0xAE, 0x83, 1
_MOST_ELEMENTS: Final = 64
_MOST_TRACKS_BYTES: Final = 1 << 16

_OGG_FIRST_PAGE: Final = 0x02
_OGG_VIDEO: Final = (b"\x80theora", b"BBCD\0", b"\x01video\0\0\0", b"\x80daala")

_RIFF_KINDS: Final = {
    b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo", b"RMID": "audio/midi",
    b"ACON": "application/x-navi-animation",
}  # fmt: skip
_ASF_AUDIO: Final = bytes.fromhex("409e69f84d5bcf11a8fd00805f5c442b")
_ASF_VIDEO: Final = bytes.fromhex("c0ef19bc4d5bcf11a8fd00805f5c442b")


def isobmff_type(content: Content) -> str | None:
    """Return the type of an ISO base media file (ISO/IEC 14496-12 4.3), None for other bytes."""
    head = content.head
    if head[4:8] != b"ftyp" or len(head) < 16:
        return None
    major = head[8:12]
    if major in _BRANDS:
        return _BRANDS[major]
    if major in {b"mif1", b"msf1", b"miaf"}:
        brands = head[16 : min(int.from_bytes(head[:4], "big"), _MAX_BRANDS_BYTES)]
        return "image/avif" if b"avi" in brands else "image/heic"
    sound = _is_sound_alone(content)
    if major.startswith(b"3g2"):
        return "audio/3gpp2" if sound else "video/3gpp2"
    if major.startswith(b"3g"):
        return "audio/3gpp" if sound else "video/3gpp"
    return "audio/mp4" if sound else "video/mp4"


def segment_type(content: Content) -> str | None:
    """Return the type of a film segment as HLS and DASH send it, None for other bytes."""
    boxes = _boxes(content, 0, content.end)
    kind, begin, end = next(boxes, (b"", 0, 0))
    if kind == b"moof":
        inner = next(_boxes(content, begin, end), (b"",))[0]
        return _SEGMENT if inner == b"mfhd" else None
    if not content.may_hold(end):
        return None
    following = next(boxes, None)
    known = following is not None and following[0] in _SEGMENT_BOXES
    return _SEGMENT if kind in SEGMENT_BEGINS and known else None


def jpeg2000_type(content: Content) -> str | None:
    """Return the type of a JPEG 2000 file from its brand (ISO/IEC 15444-1 annex I)."""
    if content.head[16:20] != b"ftyp":
        return None
    return _BRANDS.get(content.head[20:24], "image/jp2")


def quicktime_type(content: Content) -> str | None:
    """Return "video/quicktime" for a film without `ftyp`, as old cameras write it, else None."""
    boxes = _boxes(content, 0, content.end)
    first = next(boxes, None)
    if first is None or first[0] not in _QUICKTIME_BOXES:
        return None
    kind, begin, end = first
    if kind == b"moov":
        inner = next(_boxes(content, begin, end), (b"",))[0]
        return "video/quicktime" if inner in {b"mvhd", b"cmov", b"rmra"} else None
    if not content.may_hold(end):
        return None
    following = next(boxes, None)
    known = following is not None and following[0] in _QUICKTIME_BOXES
    return "video/quicktime" if known else None


def _is_sound_alone(content: Content) -> bool:
    """Tell whether a film has a sound track and no picture track."""
    film = _first_box(content, b"moov", 0, content.end)
    handlers: set[bytes] = set()
    for kind, begin, end in _boxes(content, *film):
        if kind == b"trak":
            media = _first_box(content, b"mdia", begin, end)
            handler = _first_box(content, b"hdlr", *media)
            if handler[1]:
                handlers.add(content.read(handler[0] + _HANDLER_OFFSET, 4))
    return b"soun" in handlers and not handlers & {b"vide", b"auxv", b"pict"}


def _first_box(content: Content, wanted: bytes, begin: int, end: int) -> tuple[int, int]:
    """Return begin and end of the content of the first box of a kind, (0, 0) without such a box."""
    for kind, inner, stop in _boxes(content, begin, end):
        if kind == wanted:
            return inner, stop
    return 0, 0


def _boxes(content: Content, begin: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield for each box between `begin` and `end` its kind and its content's begin and end."""
    for _ in range(_MOST_BOXES):
        found = content.numbers(_BOX, begin) if begin < end else None
        if found is None:
            return
        size, kind = found
        inner = begin + _BOX.size
        if size == 1:
            large = content.numbers(_LARGE_SIZE, inner)
            size, inner = (0, inner) if large is None else (large[0], inner + _LARGE_SIZE.size)
        stop = end if size == 0 else begin + size
        if stop < inner:
            return
        yield kind, inner, stop
        begin = stop


def matroska_type(content: Content) -> str | None:
    """Return the type of a WebM or Matroska file, None for another EBML document."""
    doc_type = b""
    for kind, begin, end in _elements(content, 0, content.end):
        for inner, first, last in _elements(content, begin, end):
            if kind == _HEADER and inner == _DOC_TYPE:
                doc_type = content.read(first, min(last - first, 16)).rstrip(b"\0")
        break
    if doc_type not in {b"webm", b"matroska"}:
        return None
    kinds = _track_types(content)
    major = "audio" if kinds and _VIDEO not in kinds else "video"
    return f"{major}/webm" if doc_type == b"webm" else f"{major}/x-matroska"


def _track_types(content: Content) -> set[int]:
    """Return the type numbers of a file's tracks, an empty set if the tracks are not found."""
    for kind, begin, end in _elements(content, 0, content.end):
        if kind == _SEGMENT_ID:
            for inner, first, last in _elements(content, begin, end):
                if inner == _TRACKS:
                    return set(_types_of(content, first, min(last, first + _MOST_TRACKS_BYTES)))
                if inner == _CLUSTER:
                    break
            break
    return set()


def _types_of(content: Content, begin: int, end: int) -> Iterator[int]:
    for kind, first, last in _elements(content, begin, end):
        if kind == _TRACK_ENTRY:
            for inner, at, _ in _elements(content, first, last):
                if inner == _TRACK_TYPE:
                    yield from content.read(at, 1)


def _elements(content: Content, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield for each element between `begin` and `end` its number and its content's begin and end.

    Begin and end are offsets in the file.
    """
    for _ in range(_MOST_ELEMENTS):
        header = content.read(begin, min(12, end - begin))
        number, size, length = _element(header)
        if not length:
            return
        stop = end if size < 0 else begin + length + size
        yield number, begin + length, min(stop, end)
        begin = stop


def _element(header: bytes) -> tuple[int, int, int]:
    """Return an element's number, its content size (-1: unknown) and its header size (0: none)."""
    id_bytes = _width(header, 4)
    size_bytes = _width(header[id_bytes:], 8) if id_bytes else 0
    end = id_bytes + size_bytes
    if not size_bytes or end > len(header):
        return 0, 0, 0
    mask = (1 << (7 * size_bytes)) - 1
    size = int.from_bytes(header[id_bytes:end], "big") & mask
    return int.from_bytes(header[:id_bytes], "big"), -1 if size == mask else size, end


def _width(data: bytes, most: int) -> int:
    """Return how many bytes a number has, 0 if more than `most`.

    The number of zero bits before the first one bit encodes the width.
    """
    width = 9 - data[0].bit_length() if data else 0
    return width if width <= most else 0


def ogg_type(content: Content) -> str | None:
    """Return the type of an Ogg file from the codecs that its first pages name (RFC 5334)."""
    head, at = content.head, 0
    if head[4:5] != b"\0":
        return None
    while head.startswith(b"OggS", at) and len(head) > at + 27 and head[at + 5] & _OGG_FIRST_PAGE:
        segments = head[at + 26]
        data = at + 27 + segments
        if head.startswith(_OGG_VIDEO, data):
            return "video/ogg"
        at = data + sum(head[at + 27 : data])
    return "audio/ogg"


def riff_type(content: Content) -> str | None:
    """Return the type of a RIFF file, or of a variant of RIFF (RIFX, RF64, BW64)."""
    return _RIFF_KINDS.get(content.head[8:12])


def asf_type(content: Content) -> str:
    """Return the type of a Windows Media file from the streams that its header names."""
    if _ASF_AUDIO in content.head and _ASF_VIDEO not in content.head:
        return "audio/x-ms-wma"
    return "video/x-ms-wmv"
