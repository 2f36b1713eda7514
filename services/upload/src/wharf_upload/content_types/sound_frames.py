"""Streams without a file header: MPEG audio, AAC, AC-3, MPEG program and transport streams.

A frame begins with a few bits that also occur in text and in other formats. So the functions check
the fields of a frame. Most functions also check that another frame begins, or the file ends, where
the frame ends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from wharf_upload.content_types.content import Content

_MPEG_AUDIO: Final = "audio/mpeg"
# ISO/IEC 11172-3 2.4.2.3 and 13818-3: kilobits per second for the codes 1 to 14, by (version,
# layer).
_BIT_RATES: Final = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_SAMPLE_RATES: Final = (44100, 48000, 32000)
# By the two version bits (2.5 for 8 to 12 kHz, reserved, 2, 1): the version for the bit rates, and
# the divisor of the sample rate.
_VERSIONS: Final = {0: (2, 4), 2: (2, 2), 3: (1, 1)}
_ID3_HEADER_BYTES: Final = 10
# ATSC A/52 table 5.18: the number of 16-bit words in a frame at 48 kHz, by half the code.
_AC3_WORDS: Final = (
    64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, 1024, 1152, 1280
)  # fmt: skip
_TS_PACKETS: Final = ((188, 0), (192, 4), (204, 0))
_TS_SYNC: Final = 0x47
_BEHIND_TAG: Final = ((b"fLaC", "audio/flac"), (b"MAC ", "audio/x-ape"), (b"TTA1", "audio/x-tta"))


def mpeg_audio_type(content: Content) -> str | None:
    """Return the type of a stream of MPEG audio or ADTS frames, None for other bytes."""
    if content.head[1] & 0xF6 == 0xF0:
        return "audio/aac" if _follow(content, 0, _adts_bytes) else None
    return _MPEG_AUDIO if _follow(content, 0, _mpeg_audio_bytes) else None


def tagged_type(content: Content) -> str | None:
    """Return the type of a file that begins with an ID3v2 tag, from the bytes after the tag."""
    head = content.head
    if len(head) < _ID3_HEADER_BYTES or not 2 <= head[3] <= 4 or head[4] == 0xFF:
        return None
    if head[5] & 0x0F or max(head[6:10]) > 0x7F:
        return None
    size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    begin = _ID3_HEADER_BYTES + size + (_ID3_HEADER_BYTES if head[5] & 0x10 else 0)
    start = content.read(begin, 4)
    for magic, media_type in _BEHIND_TAG:
        if start == magic:
            return media_type
    if len(start) == 4 and start[0] == 0xFF and start[1] & 0xF6 == 0xF0:
        return "audio/aac" if _adts_bytes(content, begin) else _MPEG_AUDIO
    return _MPEG_AUDIO


def ac3_type(content: Content) -> str | None:
    """Return the type of a stream of AC-3 or Enhanced AC-3 frames (ATSC A/52), else None."""
    head = content.head
    if len(head) < 6:
        return None
    bitstream = head[5] >> 3
    if 11 <= bitstream <= 16:
        size = 2 * (1 + ((head[2] & 0x07) << 8 | head[3]))
        return "audio/eac3" if _ends_or_begins(content, size, b"\x0b\x77") else None
    rate, code = head[4] >> 6, head[4] & 0x3F
    if bitstream > 10 or rate == 3 or code >= 2 * len(_AC3_WORDS):
        return None
    words = _AC3_WORDS[code >> 1]
    if rate == 1:
        words = words * 480 // 441 + (code & 1)
    elif rate == 2:
        words = words * 3 // 2
    return "audio/ac3" if _ends_or_begins(content, 2 * words, b"\x0b\x77") else None


def program_stream_type(content: Content) -> str | None:
    """Return "video/mpeg" for a pack header or a video sequence (ISO/IEC 11172-1, 13818-1, -2)."""
    head = content.head
    if len(head) < 12:
        return None
    if head[3] == 0xBA:  # the first bits encode the version, and a marker bit is always set
        fits = head[4] & 0xC4 == 0x44 or head[4] & 0xF1 == 0x21
    elif head[3] == 0xB3:
        width, height = head[4] << 4 | head[5] >> 4, (head[5] & 0x0F) << 8 | head[6]
        fits = bool(width and height and head[7] >> 4 and 0 < head[7] & 0x0F < 9)
    else:  # a visual object sequence of MPEG-4 part 2
        fits = head[3] == 0xB0 and head[5:8] == b"\0\0\x01"
    return "video/mpeg" if fits else None


def transport_stream_type(content: Content) -> str | None:
    """Return "video/mp2t" if packets of one of the usual sizes follow one another, else None."""
    head = content.head
    for size, offset in _TS_PACKETS:
        starts = range(offset, min(len(head), 5 * size), size)
        if len(starts) >= 3 and all(head[at] == _TS_SYNC for at in starts):
            return "video/mp2t"
    return None


def _follow(content: Content, at: int, size_of: Callable[[Content, int], int]) -> bool:
    """Tell whether a frame begins at `at` and is followed by a frame, a tag or the end."""
    size = size_of(content, at)
    if not size:
        return False
    if content.size is not None and at + size >= content.size:
        # The file has only one frame, so this frame must be complete.
        return at + size == content.size
    following = content.read(at + size, 3)
    # Some writers add a tag at the end. Fewer than three bytes cannot be checked: they are the end
    # of the file, or of the readable bytes.
    return len(following) < 3 or bool(size_of(content, at + size)) or following == b"TAG"


def _mpeg_audio_bytes(content: Content, at: int) -> int:
    """Return the size in bytes of the MPEG audio frame at `at`, 0 if none begins there."""
    header = content.read(at, 4)
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0
    version, layer = _VERSIONS.get(header[1] >> 3 & 3), 4 - (header[1] >> 1 & 3)
    rate, sampling = header[2] >> 4, header[2] >> 2 & 3
    if version is None or layer == 4 or not 0 < rate < 15 or sampling == 3 or header[3] & 3 == 2:
        return 0
    bits = 1000 * _BIT_RATES[version[0], layer][rate - 1]
    samples = _SAMPLE_RATES[sampling] // version[1]
    padding = header[2] >> 1 & 1
    if layer == 1:
        return (12 * bits // samples + padding) * 4
    half = 2 if layer == 3 and version[0] == 2 else 1
    return 144 // half * bits // samples + padding


def _adts_bytes(content: Content, at: int) -> int:
    """Return the size in bytes of the ADTS frame at `at` (ISO/IEC 13818-7), 0 if there is none."""
    header = content.read(at, 7)
    if len(header) < 7 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0:
        return 0
    size = (header[3] & 0x03) << 11 | header[4] << 3 | header[5] >> 5
    return size if size > 7 and header[2] >> 2 & 0x0F < 13 else 0


def _ends_or_begins(content: Content, at: int, magic: bytes) -> bool:
    """Tell whether the file contains `magic` at `at`, or ends there."""
    following = content.read(at, len(magic))
    return following == magic or (not following and content.may_hold(at))
