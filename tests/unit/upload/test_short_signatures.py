"""Tests that files which only begin like a picture, program or sound are not taken for one."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator

import pytest

from wharf_upload.content_types.sniffing import sniff

OCTETS = "application/octet-stream"
OLD = {
    "cp1252": "Größe: {} für Müller, Straße",
    "cp850": "Größe: {} für Müller, Straße",
    "mac_roman": "Größe: {} für Müller, Straße",
    "shift_jis": "{}の名前、住所、東京都",
    "euc_jp": "{}の名前、住所、東京都",
    "gbk": "{}姓名、地址、北京市",
    "big5": "{}姓名、地址、臺北市",
    "euc_kr": "{} 이름, 주소, 서울",
    "koi8_r": "{} Имя, Адрес, Москва",
    "cp1251": "{} Имя, Адрес, Москва",
    "cp866": "{} Имя, Адрес, Москва",
    "iso8859_7": "{} Όνομα, Διεύθυνση",
}
WORDS = re.split(
    " ",
    "BM MZ ID3 GIF GIF89a PK II* MM FWS CWS BZh BZh9 OTTO ORC PAR1 Obj RIFF FORM OggS fLaC MThd "
    "8BPS 8BPSX AC10 AC1015 Rar! SQLi LZIP NES Cr24 MSCF ISc( !<arch> wOFF wOF2 true ttcf DDS icns "
    "qoif caff wvpk TTA1 MAC MP+ MPCK IMPM DSD .snd FLV G P6 P d 0 07070 glTF CDF xar! SIT! hsqs "
    "KDMV QFI hsqs- {\\rt %! %PD ÿØÿ ÿû ÿò яы яп",
)


def old_texts(encoding: str) -> Iterator[bytes]:
    """Yield texts that begin with each of the words that the encoding can write."""
    for word in WORDS:
        with contextlib.suppress(UnicodeEncodeError):
            yield (word + OLD[encoding].format(word)).encode(encoding)


@pytest.mark.parametrize("encoding", OLD)
def test_text_in_an_old_encoding_is_text(encoding: str) -> None:
    """A text in any old encoding is text, with any first letters."""
    texts = list(old_texts(encoding))
    assert len(texts) > len(WORDS) - 7
    found = {
        text: (sniff(text, complete=True), sniff(text * 400, complete=False)) for text in texts
    }
    assert {text: types for text, types in found.items() if set(types) != {"text/plain"}} == {}


@pytest.mark.parametrize(
    "table",
    [
        "P1\t34\t170\nP2\t35\t180\n",
        "P1 34 170\n",
        "P1\t1\t3\n1 2 3\n",
        "P2\t34\t170\t9\n1\t2\n",
        "P3 12 13 abc",
        "P4\t34\t170\nSmith\n",
        "P5\t34\t170\t9\nSmith\n",
        "P5\n1 2 Notes",
        "P6 2023 10 5 \u0434\u0430\u043d\u043d\u044b\u0435\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "cp1251", "utf-16"])
def test_a_table_that_begins_like_a_bitmap_is_text(table: str, encoding: str) -> None:
    """A table that begins with P1 to P6 is text unless its size matches a bitmap's samples."""
    assert sniff(table.encode(encoding), complete=True) == "text/plain"
    long = (table + "Miller\t7\n" * 4000).encode(encoding)
    assert sniff(long[:8192], complete=False, size=len(long)) == "text/plain"


@pytest.mark.parametrize(
    ("picture", "media_type"),
    [
        (b"P1\n# a\n3 2\n101\n010\n", "image/x-portable-bitmap"),
        (b"P2 2 2 9\n1 2\n3 4\n", "image/x-portable-graymap"),
        (b"P3\n2 1\n255\n1 2 3 # a\n4 5 6\n", "image/x-portable-pixmap"),
        (b"P4\n9 2\nabcd", "image/x-portable-bitmap"),
        (b"P5\n2 2\n255\nabcd", "image/x-portable-graymap"),
        (b"P5\n2 2\n256\nabcdabcd", "image/x-portable-graymap"),
        (b"P6\n2 1\n255\nabcdef\n", "image/x-portable-pixmap"),
        (b"P6\n2 1\n255\n\0\1\2\3\4\5", "image/x-portable-pixmap"),
    ],
)
def test_a_printable_bitmap_is_a_picture(picture: bytes, media_type: str) -> None:
    """A small bitmap in printable characters is recognized by its exact number of samples."""
    assert sniff(picture, complete=True) == media_type


def test_a_large_printable_bitmap_is_a_picture() -> None:
    """A large bitmap is recognized by its size, and one in plain text by its digits."""
    grey = b"P5\n200 200\n255\n" + b"\x7f" * 40_000
    assert sniff(grey[:8192], complete=False, size=len(grey)) == "image/x-portable-graymap"
    plain = b"P2\n200 200\n255\n" + b"127 " * 40_000
    assert sniff(plain[:8192], complete=False, size=len(plain)) == "image/x-portable-graymap"


@pytest.mark.parametrize("first", ["A", "d", "<", '"', "7", "\u044f"])
def test_wide_text_is_no_sound(first: str) -> None:
    """UTF-16 text of any length is text, although its byte order mark also begins a frame of
    sound.
    """
    for length in range(20, 2400, 2):
        text = (first + "ello World, this is text. " * 100)[: length // 2]
        for encoding in ("utf-16-le", "utf-16-be"):
            data = ("\ufeff" + text).encode(encoding)
            assert sniff(data, complete=True) == "text/plain"


def test_text_that_ends_as_dos_ends_it() -> None:
    """A control-Z at the end of a text is allowed, and one in the middle is not."""
    assert sniff("BM Größe\r\n\x1a".encode("cp437"), complete=True) == "text/plain"
    assert sniff(b"BM \x1a text", complete=True) == OCTETS


@pytest.mark.parametrize(
    "word",
    [
        b"BM", b"MZ", b"ID3", b"\xff\xfb", b"\x0b\x77", b"FWS", b"BZh", b"\x1f\x9d", b"\0\0\1\0",
        b"\0\0\1\xb3", b"\0\1\0\0\0", b"OTTO\0", b"II*\0", b"\xca\xfe\xba\xbe", b"\x7fELF",
        b"\x5d\0", b"\x01\xda", b"\x0a\x05", b"\x03", b"FLV\1", b"AC10", b"PAR1", b"ORC", b"G",
        b"\x60\xea", b"d", b"0\x82", b"07070", b"qoif", b"icns",
    ],
)  # fmt: skip
def test_a_short_word_alone_is_no_format(word: bytes) -> None:
    """Bytes with the signature of a format but an impossible header are unknown."""
    for filling in (b"\x07", b"\xee\x05\x99"):
        assert sniff((word + filling * 300)[:600], complete=True) == OCTETS


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"BM" + b"\x1a\0\0\0\0\0\0\0\x1a\0\0\0\x0c\0\0\0\1\0\1\0\1\0\x18\0\0\0", "image/bmp"),
        (b"ID3\x03\0\0\0\0\0\0" + bytes(40), "audio/mpeg"),
        (b"ID3\x03\0\0\0\0\0\0fLaC" + bytes(40), "audio/flac"),
        (b"ID3\x03\0\0\0\0\0\x80" + bytes(40), OCTETS),
        (b"\x7fELF\2\1\1" + bytes(60), "application/x-executable"),
        (b"\x7fELF\5\1\1" + bytes(60), OCTETS),
        (b"\xca\xfe\xba\xbe\0\0\0\x34" + bytes(40), "application/java-vm"),
        (b"\xca\xfe\xba\xbe\0\0\0\2" + bytes(40), "application/x-mach-binary"),
        (b"\xcf\xfa\xed\xfe\7\0\0\1\3\0\0\0\1\0\0\0" + bytes(40), "application/x-mach-binary"),
        (b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0\x68\4\0\0\x16\0\0\0" + bytes(1200), "image/x-icon"),
        (
            b"\0\0\2\0\1\0\x10\x10\0\0\1\0\x20\0\x68\4\0\0\x16\0\0\0" + bytes(1200),
            "image/x-win-bitmap",
        ),
        (b"FWS\x06\x20\0\0\0" + bytes(24), "application/x-shockwave-flash"),
        (b"CWS\x06\x20\x20\0\0" + bytes(24), "application/x-shockwave-flash"),
        (b"CWS\x7f\x20\x20\0\0" + bytes(24), OCTETS),
        (b"BZh91AY&SY" + bytes(24), "application/x-bzip2"),
        (b"\x1f\x9d\x90" + bytes(24), "application/x-compress"),
        (b"\x1f\x9d\x77" + bytes(24), OCTETS),
        (b"\0\0\1\xba\x44" + bytes(24), "video/mpeg"),
        (b"\0\0\1\xba\x21" + bytes(24), "video/mpeg"),
        (b"\0\0\1\xba\0" + bytes(24), OCTETS),
        ((b"\x47" + bytes(187)) * 4, "video/mp2t"),
        ((bytes(4) + b"\x47" + bytes(187)) * 4, "video/mp2t"),
        ((b"\x47" + bytes(186)) * 4, OCTETS),
        (b"BZh91AY&SY" + bytes(600) + b"koly" + bytes(508), "application/x-apple-diskimage"),
        (b"\xfd7zXZ\0" + bytes(600) + b"koly" + bytes(508), "application/x-apple-diskimage"),
        (b"\xfd7zXZ\0" + bytes(600), "application/x-xz"),
    ],
)  # fmt: skip
def test_evidence(head: bytes, media_type: str) -> None:
    """A short signature counts only if the fields after it are plausible for its format."""
    assert sniff(head, complete=True) == media_type


def test_a_program_is_told_by_its_second_header() -> None:
    """A Windows program is recognized by its second header, wherever the first one places it."""
    stub = b"MZ" + bytes(58) + (20_000).to_bytes(4, "little")
    program = stub + bytes(20_000 - len(stub)) + b"PE\0\0" + bytes(100)
    found = sniff(program[:8192], complete=False, size=len(program), read_at=reader(program))
    assert found == "application/x-msdownload"
    other = program.replace(b"PE\0\0", b"QE\0\0")
    assert sniff(other[:8192], complete=False, size=len(other), read_at=reader(other)) == OCTETS


def reader(data: bytes) -> Callable[[int, int], bytes]:
    """Return a function that reads a file in memory."""
    return lambda offset, length: data[offset : offset + length]


def frames(header: bytes, size: int, count: int = 3) -> bytes:
    """Return frames of a stream."""
    return (header + bytes(size - len(header))) * count


@pytest.mark.parametrize(
    ("stream", "media_type"),
    [
        (frames(b"\xff\xfb\x90\x64", 417), "audio/mpeg"),  # 44.1 kHz, 128 kbit/s
        (frames(b"\xff\xf3\x40\xc4", 104), "audio/mpeg"),  # MPEG-2, 22.05 kHz, 32 kbit/s
        (frames(b"\xff\xe3\x18\xc4", 72), "audio/mpeg"),  # MPEG-2.5, 8 kHz, 8 kbit/s
        (frames(b"\xff\xfd\xc0\x04", 835), "audio/mpeg"),  # layer II
        (frames(b"\xff\xfb\x90\x64", 417, 1), "audio/mpeg"),
        (frames(b"\xff\xfb\x90\x64", 400), OCTETS),
        (frames(b"\xff\xfb\xf0\x64", 417), OCTETS),
        (frames(b"\xff\xf1\x50\x80\x03\x1f\xfc", 24), "audio/aac"),
        (frames(b"\xff\xf1\x50\x80\x03\x1f\xfc", 25), OCTETS),
        (frames(b"\x0b\x77\0\0\x1c\x40", 1536), "audio/ac3"),
        (frames(b"\x0b\x77\0\0\x1c\x40", 1537), OCTETS),
        (frames(b"\x0b\x77\1\x7f\x3f\x86", 768), "audio/eac3"),
    ],
)
def test_frames_follow_one_another(stream: bytes, media_type: str) -> None:
    """A stream is recognized if the next frame, or the end of the file, follows the first frame."""
    assert sniff(stream, complete=True) == media_type
