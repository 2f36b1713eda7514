"""A reader for the names of fields and files as clients write them in a part's header (ADR 45).

Browsers, curl and most libraries write raw UTF-8 and encode only '"', CR and LF. Spring, .NET and
Java's mail library write encoded words (RFC 2047). aiohttp percent-encodes the whole name.
"""

from __future__ import annotations

import base64
import re
from email import quoprimime
from typing import Final
from urllib.parse import unquote_to_bytes

import webencodings

_ENCODED_BY_BROWSERS: Final = (("%22", '"'), ("%0D", "\r"), ("%0A", "\n"))
# A text of encoded words only (RFC 2047 section 2); each word may name a language (RFC 2231).
_WORDS = re.compile(r"(?:[ \t]*+=\?[!->@-~]{1,60}+\?[BbQq]\?[^?]*+\?=)++")
_WORD = re.compile(r"=\?([^?*]*+)(?:\*[^?]*+)?\?([BbQq])\?([^?]*+)\?=")
_QUOTED_PRINTABLE = re.compile(r"(?:[!-<>@-~]|=[0-9A-Fa-f]{2})*+")
# Encodings that the codec of `webencodings` reads only in part, and Python's codecs that read all
# of them.
_CODECS: Final = {"gbk": "gb18030", "iso-2022-jp": "iso2022_jp_ext"}
# Encodings of the WHATWG standard that no client uses for names.
_NO_CHARSETS: Final = frozenset({"replacement", "x-user-defined"})
# Windows' code page numbers; the standard does not have all of their spellings.
_CODE_PAGE = re.compile(r"(?:cp|ms|(?:x-)?windows-)(932|936|949|950)", re.IGNORECASE)
_CODE_PAGES: Final = {"932": "shift_jis", "936": "gbk", "949": "euc-kr", "950": "big5"}
# aiohttp writes only these characters.
_PERCENT_ENCODED = re.compile(r"(?:[A-Za-z0-9_.~-]|%[0-9A-F]{2})+")
# The boundaries of aiohttp, requests and httpx are hexadecimal.
_HEXADECIMAL = re.compile(rb"[0-9a-f]{32}")


class UndecodableName(ValueError):
    """A name of encoded words (RFC 2047) that cannot be decoded."""


def read(name: str, *, percent_encoded: bool = False) -> str:
    """Return the decoded name; `percent_encoded` is true if the sender is aiohttp.

    Raises:
        UndecodableName: the name is encoded words with a wrong charset or wrong content.
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
    # Other percent signs are part of the name: "100%25" does not change.
    for encoded, char in _ENCODED_BY_BROWSERS:
        name = name.replace(encoded, char)
    return name


def is_from_aiohttp(boundary: bytes, first_header: str) -> bool:
    """Tell whether aiohttp has written a part.

    aiohttp has a special form of boundary, and writes the type before the disposition. The
    User-Agent does not help: the application chooses it.
    """
    return first_header == "content-type" and _HEXADECIMAL.fullmatch(boundary) is not None


def _encoded_words(text: str) -> str:
    """Return the text that a sequence of encoded words stands for."""
    pieces: list[tuple[str, bytearray]] = []
    for charset, encoding, encoded in _WORD.findall(text):
        codec = _codec(charset)
        # Some clients split a character between two words, although RFC 2047 forbids it.
        if not pieces or pieces[-1][0] != codec:
            pieces.append((codec, bytearray()))
        pieces[-1][1].extend(_bytes(encoding, encoded))
    try:
        name = "".join(raw.decode(codec) for codec, raw in pieces)
    except UnicodeDecodeError:
        raise UndecodableName("its bytes are not of the charset that it names") from None
    if not name:
        raise UndecodableName("it is empty")
    return name


def _codec(charset: str) -> str:
    """Return the name of Python's codec for a charset name, as browsers understand it."""
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
