"""Tests of ISO media, QuickTime, Matroska and Ogg files, whose tracks give the type."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharf_upload.content_types.sniffing import HEAD_BYTES, sniff

LARGE = bytes(20_000)
SEGMENT = "video/iso.segment"


def box(kind: bytes, *inner: bytes) -> bytes:
    """Return a box."""
    content = b"".join(inner)
    return (8 + len(content)).to_bytes(4, "big") + kind + content


def track(handler: bytes) -> bytes:
    """Return a track of a kind: `vide`, `soun` or `text`."""
    return box(
        b"trak",
        box(b"tkhd"),
        box(b"mdia", box(b"mdhd"), box(b"hdlr", bytes(8), handler, bytes(12))),
    )


def film(*handlers: bytes, header: bytes = b"mvhd") -> bytes:
    """Return the box that describes a film."""
    return box(b"moov", box(header, bytes(100)), *(track(handler) for handler in handlers))


def start(brand: bytes) -> bytes:
    """Return the first box."""
    return box(b"ftyp", brand, bytes(4), brand)


def type_of(data: bytes) -> str:
    """Return the type of a file of which only the head is in memory."""
    return sniff(
        data[:HEAD_BYTES],
        complete=len(data) <= HEAD_BYTES,
        size=len(data),
        read_at=lambda offset, length: data[offset : offset + length],
    )


@pytest.mark.parametrize(
    ("brand", "handlers", "media_type"),
    [
        (b"isom", (b"soun",), "audio/mp4"),
        (b"mp42", (b"soun", b"text"), "audio/mp4"),
        (b"isom", (b"vide", b"soun"), "video/mp4"),
        (b"isom", (), "video/mp4"),
        (b"dash", (b"soun",), "audio/mp4"),
        (b"3gp4", (b"soun",), "audio/3gpp"),
        (b"3g2a", (b"soun",), "audio/3gpp2"),
        (b"3g2a", (b"soun", b"vide"), "video/3gpp2"),
        (b"3gp4", (b"soun", b"vide"), "video/3gpp"),
        (b"M4A ", (b"soun", b"vide"), "audio/mp4"),
        (b"qt  ", (b"soun",), "video/quicktime"),
    ],
)
@pytest.mark.parametrize("media_first", [False, True])
def test_sound_alone(
    brand: bytes, handlers: tuple[bytes, ...], media_type: str, *, media_first: bool
) -> None:
    """The brand and the tracks give the type, even if the box with the tracks comes last."""
    parts = [film(*handlers), box(b"mdat", LARGE)]
    if media_first:
        parts.reverse()
    assert type_of(start(brand) + b"".join(parts)) == media_type


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (film(b"vide") + box(b"mdat", LARGE), "video/quicktime"),
        (box(b"wide") + box(b"mdat", LARGE) + film(b"vide"), "video/quicktime"),
        (box(b"mdat", LARGE) + film(b"vide"), "video/quicktime"),
        (box(b"free", bytes(8)) + box(b"mdat", LARGE), "video/quicktime"),
        (film(b"vide", header=b"cmov"), "video/quicktime"),
        (box(b"moov", b"text"), "application/octet-stream"),
        (box(b"mdat", LARGE) + b"nonsense", "application/octet-stream"),
        (box(b"else", LARGE) + film(b"vide"), "application/octet-stream"),
    ],
)
def test_quicktime_without_a_first_box(data: bytes, media_type: str) -> None:
    """A QuickTime file may begin with a film box, or with another known box before a known box."""
    assert type_of(data) == media_type


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (box(b"styp", b"msdh" + bytes(4)) + box(b"sidx", bytes(32)) + box(b"moof"), SEGMENT),
        (box(b"styp", b"msdh" + bytes(4)) + box(b"moof", box(b"mfhd")), SEGMENT),
        (box(b"moof", box(b"mfhd", bytes(8)), box(b"traf")) + box(b"mdat", LARGE), SEGMENT),
        (box(b"sidx", bytes(32)) + box(b"moof", box(b"mfhd")), SEGMENT),
        (box(b"emsg", bytes(32)) + box(b"moof", box(b"mfhd")), SEGMENT),
        (box(b"styp", b"msdh" + bytes(4)), "application/octet-stream"),
        (box(b"moof", b"text" * 4), "application/octet-stream"),
        (box(b"sidx", bytes(32)) + b"nonsense", "application/octet-stream"),
    ],
)
def test_segments_of_streams(data: bytes, media_type: str) -> None:
    """A segment of HLS or DASH (`.m4s`) is recognized by its first boxes."""
    assert type_of(data) == media_type


def test_boxes_in_boxes_end() -> None:
    """A film with deeply nested boxes still gets a type."""
    inner = b""
    for _ in range(500):
        inner = box(b"trak", inner)
    assert type_of(start(b"isom") + box(b"moov", inner) * 20) == "video/mp4"


def element(number: str, content: bytes) -> bytes:
    """Return an EBML element."""
    return bytes.fromhex(number) + (len(content) | 1 << 28).to_bytes(4, "big") + content


def matroska(doc_type: bytes, *tracks: int, before: bytes = b"", known: bool = True) -> bytes:
    """Return a file with tracks of these types; the bytes `before` precede the list of tracks."""
    head = element("1a45dfa3", element("4282", doc_type))
    entries = b"".join(
        element("ae", element("d7", b"\1") + element("83", bytes((t,)))) for t in tracks
    )
    content = before + element("1654ae6b", entries) + element("1f43b675", LARGE)
    if known:
        return head + element("18538067", content)
    return head + bytes.fromhex("1853806701ffffffffffffff") + content


@pytest.mark.parametrize(
    ("tracks", "major"), [((2,), "audio"), ((1, 2), "video"), ((1,), "video"), ((2, 17), "audio")]
)
@pytest.mark.parametrize(("doc_type", "minor"), [(b"webm", "webm"), (b"matroska", "x-matroska")])
@pytest.mark.parametrize("known", [True, False])
def test_tracks_of_matroska(
    tracks: tuple[int, ...], major: str, doc_type: bytes, minor: str, *, known: bool
) -> None:
    """The tracks of a Matroska file decide its type, even after 20 KB of padding."""
    data = matroska(doc_type, *tracks, before=element("ec", LARGE), known=known)
    assert type_of(data) == f"{major}/{minor}"


def test_another_document_of_the_markup_is_unknown() -> None:
    """EBML that is neither WebM nor Matroska is unknown."""
    assert type_of(matroska(b"other", 1)) == "application/octet-stream"


def page(data: bytes, *, first: bool = True) -> bytes:
    """Return a page of Ogg."""
    flags = b"\2" if first else b"\0"
    return b"OggS\0" + flags + bytes(20) + bytes((1, len(data))) + data


@pytest.mark.parametrize(
    ("pages", "media_type"),
    [
        ((b"\x01vorbis",), "audio/ogg"),
        ((b"OpusHead",), "audio/ogg"),
        ((b"\x7fFLAC",), "audio/ogg"),
        ((b"\x80theora",), "video/ogg"),
        ((b"fishead\0", b"\x01vorbis", b"\x80theora"), "video/ogg"),
        ((b"fishead\0", b"\x01vorbis"), "audio/ogg"),
    ],
)
def test_codecs_of_ogg(pages: tuple[bytes, ...], media_type: str) -> None:
    """Only the first page of each stream names its codec."""
    data = b"".join(map(page, pages)) + page(b"\x80theora", first=False)
    assert type_of(data) == media_type


@given(st.data())
def test_broken_files_have_a_type(data: st.DataObject) -> None:
    """A file with any changed bytes still gets a type."""
    whole = data.draw(
        st.sampled_from((start(b"isom") + film(b"vide", b"soun"), matroska(b"webm", 2)[:400]))
    )
    broken = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 6))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    assert "/" in type_of(bytes(broken))
