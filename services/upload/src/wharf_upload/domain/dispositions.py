"""The Content-Disposition of a download (RFC 6266, file names as in RFC 8187).

The service stores names as clients sent them (`keys.file_name`). This module makes a name safe for
the person who downloads the file: no device names of Windows, no leading "-" or ".", no trailing
dot or space.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Literal
from urllib.parse import quote

from wharf_upload.domain.keys import FORBIDDEN, MAX_SEGMENT_BYTES

Kind = Literal["inline", "attachment"]

_NAMELESS = "download"
_SEPARATORS = re.compile(r"[/\\]")
# Names that need no cleaning and no extended form, unless they are device names.
_PLAIN = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_ .,()+=@~-]{0,253}[A-Za-z0-9_)])?")
# "%" is replaced because some clients percent-decode the plain form (RFC 6266 appendix D).
_NOT_QUOTABLE = re.compile(r"[^ !#$&-\[\]-~]")
_DEVICE = re.compile(
    r"(?:CON|PRN|AUX|NUL|CLOCK\$|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9\xb9\xb2\xb3]) *(?:[.:].*)?",
    re.IGNORECASE | re.DOTALL,
)
# The attr-char of RFC 8187 section 3.2.1, without the characters that quote() always keeps.
_ATTR_CHARS = "!#$&+^`|~"


@lru_cache(maxsize=4096)
def content_disposition(kind: Kind, filename: str) -> str:
    """Return the header field's value: ASCII, without CR or LF, for any `filename`.

    The value has a `filename*` if the quoted ASCII form cannot represent the whole name.
    """
    if _PLAIN.fullmatch(filename) and not _DEVICE.fullmatch(filename):
        return f'{kind}; filename="{filename}"'
    name = safe_name(filename)
    fallback = _ascii(name)
    if fallback == name:
        return f'{kind}; filename="{name}"'
    return f"{kind}; filename=\"{fallback}\"; filename*=UTF-8''{quote(name, safe=_ATTR_CHARS)}"


def safe_name(filename: str) -> str:
    """Return a name of 1 to 255 bytes that is safe to create on Unix and Windows."""
    name = _SEPARATORS.sub("_", FORBIDDEN.sub("", filename)).lstrip()
    if name[:1] in {"-", "."} or _DEVICE.fullmatch(name):
        name = f"_{name}"
    # Cut last: the cut changes only the end, and the same step strips dots and spaces there.
    name = name.encode()[:MAX_SEGMENT_BYTES].decode("utf-8", errors="ignore").rstrip(". ")
    return name or _NAMELESS


def _ascii(name: str) -> str:
    """Return an ASCII form: without accents and joiners, with "_" for other characters."""
    decomposed = unicodedata.normalize("NFD", name)
    bare = "".join(
        char
        for char in decomposed
        if not unicodedata.combining(char) and unicodedata.category(char) != "Cf"
    )
    # Removing accents may result in a device name, so the name is made safe again.
    return safe_name(_NOT_QUOTABLE.sub("_", bare))
