"""Names of fields and files as their senders write them into a part's header (ADR 45).

Browsers, curl and most libraries write raw UTF-8 and encode '"', CR and LF alone. Spring, .NET and
Java's mail library write encoded words of RFC 2047, and aiohttp percent-encodes the whole name.
"""

from __future__ import annotations

import base64
import binascii
import re
from email import quoprimime
from typing import Final
from urllib.parse import unquote_to_bytes

_ENCODED_BY_BROWSERS: Final = (("%22", '"'), ("%0D", "\r"), ("%0A", "\n"))
# One encoded word (RFC 2047 section 2), with or without the language of RFC 2231.
_WORD = re.compile(
    r"[ \t]*=\?([A-Za-z0-9_-]{1,40})(?:\*[A-Za-z0-9-]{1,20})?\?"
    r"(?:[Bb]\?([A-Za-z0-9+/]*+={0,2})|[Qq]\?((?:[!-<>@-~]|=[0-9A-Fa-f]{2})*+))\?="
)
# Those that programs wrote names in. Python knows more, and remembers every wrong one for ever.
_CHARSET = re.compile(
    r"utf-?8|us-ascii|iso-8859-(?:[1-9]|1[0134-6])|windows-125[0-8]|koi8-[ru]|tis-620|"
    r"gb(?:2312|k|18030)|big5|shift_jis|euc-jp|euc-kr|ks_c_5601-1987|iso-2022-jp",
    re.IGNORECASE,
)
# What aiohttp writes has nothing but these.
_PERCENT_ENCODED = re.compile(r"(?:[A-Za-z0-9_.~-]|%[0-9A-F]{2})+")
# aiohttp's boundaries are hexadecimal, as those of requests and httpx.
_HEXADECIMAL = re.compile(rb"[0-9a-f]{32}")


def read(name: str, *, percent_encoded: bool = False) -> str:
    """Return the name that was meant; `percent_encoded`: its sender is aiohttp."""
    if name.startswith("=?"):
        words = _encoded_words(name)
        if words:
            return words
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


def _encoded_words(text: str) -> str | None:
    """Return what encoded words say; `None` unless all of the text is such words, and decodes."""
    pieces: list[tuple[str, bytearray]] = []
    position = 0
    while word := _WORD.match(text, position):
        charset = word[1].lower()
        if not _CHARSET.fullmatch(charset):
            return None
        try:
            raw = _base64(word[2]) if word[2] is not None else _quoted_printable(word[3])
        except binascii.Error:
            return None
        # A character may be cut in two between words, though it must not.
        if not pieces or pieces[-1][0] != charset:
            pieces.append((charset, bytearray()))
        pieces[-1][1].extend(raw)
        position = word.end()
    if position < len(text):
        return None
    try:
        return "".join(raw.decode(charset) for charset, raw in pieces)
    except UnicodeDecodeError:
        return None


def _base64(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


def _quoted_printable(text: str) -> bytes:
    return quoprimime.header_decode(text).encode("latin-1")
