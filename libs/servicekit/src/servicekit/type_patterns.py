"""Media types as policies and tickets name them: "image/png", "image/*", "*/*".

They stand here because both services need them: `upload` compares them with bytes, `auth` with the
patterns of the ticket that is narrowed.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_WORD: Final = r"[A-Za-z0-9!#$%&'+.^_`|~-]{1,127}"  # RFC 9110 section 5.6.2, without "*"
_PATTERN = re.compile(rf"\*/\*|{_WORD}/(?:\*|{_WORD})")


@lru_cache(maxsize=4096)
def matches(pattern: str, media_type: str) -> bool:
    """Tell whether a media type falls under "image/*", "*/*" or an exact type.

    Case and parameters ("; charset=…") do not count.
    """
    wanted, got = essence(pattern), essence(media_type)
    if wanted == "*/*":
        return "/" in got
    if wanted.endswith("/*"):
        return got.startswith(wanted[:-1])
    return wanted == got


def is_pattern(text: str) -> bool:
    """Tell whether `text` is a media type, "type/*" or "*/*"; parameters are not allowed."""
    return _PATTERN.fullmatch(text) is not None


def covers(wider: str, pattern: str) -> bool:
    """Tell whether every media type that falls under `pattern` falls under `wider` too."""
    if pattern.endswith("/*"):
        major, wanted = essence(pattern)[:-1], essence(wider)
        return wanted == "*/*" or (wanted.endswith("/*") and wanted[:-1] == major)
    return matches(wider, pattern)


def essence(media_type: str) -> str:
    """The type in small letters and without parameters."""
    return media_type.partition(";")[0].strip().lower()
