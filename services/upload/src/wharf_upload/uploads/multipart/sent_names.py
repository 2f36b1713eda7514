"""Names of fields and files as their senders write them into a part's header (ADR 45).

Browsers, curl and most libraries write raw UTF-8 and encode '"', CR and LF alone. Spring, .NET and
Java's mail library write encoded words of RFC 2047, and aiohttp percent-encodes the whole name.
"""

from __future__ import annotations

import base64
import re
from email import quoprimime
from typing import Final
from urllib.parse import unquote_to_bytes

import webencodings

_ENCODED_BY_BROWSERS: Final = (("%22", '"'), ("%0D", "\r"), ("%0A", "\n"))
# Encoded words (RFC 2047 section 2) and nothing else; each with or without RFC 2231's language.
_WORDS = re.compile(r"(?:[ \t]*+=\?[!->@-~]{1,60}+\?[BbQq]\?[^?]*+\?=)++")
_WORD = re.compile(r"=\?([^?*]*+)(?:\*[^?]*+)?\?([BbQq])\?([^?]*+)\?=")
_QUOTED_PRINTABLE = re.compile(r"(?:[!-<>@-~]|=[0-9A-Fa-f]{2})*+")
# Where `webencodings` has no codec of Python's that reads all of an encoding.
_CODECS: Final = {"gbk": "gb18030", "iso-2022-jp": "iso2022_jp_ext"}
# Encodings of the standard in which nobody writes names: their decoders are for what is broken.
_NO_CHARSETS: Final = frozenset({"replacement", "x-user-defined"})
# Windows' numbers of encodings, of which the standard has not every spelling.
_CODE_PAGE = re.compile(r"(?:cp|ms|(?:x-)?windows-)(932|936|949|950)", re.IGNORECASE)
_CODE_PAGES: Final = {"932": "shift_jis", "936": "gbk", "949": "euc-kr", "950": "big5"}
# What aiohttp writes has nothing but these.
_PERCENT_ENCODED = re.compile(r"(?:[A-Za-z0-9_.~-]|%[0-9A-F]{2})+")
# aiohttp's boundaries are hexadecimal, as those of requests and httpx.
_HEXADECIMAL = re.compile(rb"[0-9a-f]{32}")


class UndecodableName(ValueError):
    """A name is encoded words of RFC 2047, and what they say cannot be read."""


def read(name: str, *, percent_encoded: bool = False) -> str:
    """Return the name that was meant; `percent_encoded`: its sender is aiohttp.

    Raises:
        UndecodableName: it is encoded words, and their charset or what is in them is wrong.
    """
    if name.startswith("=?") and _WORDS.fullmatch(name):
        return _encoded_words(name)
    if "%" not in name:
        return name
    if percent_encoded and _PERCENT_ENCODED.fullmatch(name):
        try:
            return unquote_to_bytes(name).decode("utf-8")
        except UnicodeDecodeError:
            return name
    # No other: "100%25" stays as it is.
    for encoded, char in _ENCODED_BY_BROWSERS:
        name = name.replace(encoded, char)
    return name


def is_from_aiohttp(boundary: bytes, first_header: str) -> bool:
    """Whether aiohttp has written a part: its own boundary, and the type before the disposition.

    Its User-Agent is the application's to choose; the shape of its forms is not.
    """
    return first_header == "content-type" and _HEXADECIMAL.fullmatch(boundary) is not None


def _encoded_words(text: str) -> str:
    """Return what a text of encoded words says."""
    pieces: list[tuple[str, bytearray]] = []
    for charset, encoding, encoded in _WORD.findall(text):
        codec = _codec(charset)
        # A character may be cut in two between words, though it must not.
        if not pieces or pieces[-1][0] != codec:
            pieces.append((codec, bytearray()))
        pieces[-1][1].extend(_bytes(encoding, encoded))
    try:
        name = "".join(raw.decode(codec) for codec, raw in pieces)
    except UnicodeDecodeError:
        raise UndecodableName("its bytes are not of the charset that it names") from None
    if not name:
        raise UndecodableName("it says nothing")
    return name


def _codec(charset: str) -> str:
    """Return the name of Python's codec for a charset, as browsers understand the word."""
    page = _CODE_PAGE.fullmatch(charset)
    encoding = webencodings.lookup(_CODE_PAGES[page[1]] if page else charset)
    if encoding is None or encoding.name in _NO_CHARSETS:
        raise UndecodableName(f'the charset "{charset}" is not known')
    known: str = encoding.codec_info.name
    return _CODECS.get(encoding.name, known)


def _bytes(encoding: str, encoded: str) -> bytes:
    if encoding in "Bb":
        try:
            return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
        except ValueError:
            raise UndecodableName("it is not base64") from None
    if not _QUOTED_PRINTABLE.fullmatch(encoded):
        raise UndecodableName("it is not in the Q encoding")
    return quoprimime.header_decode(encoded).encode("latin-1")
