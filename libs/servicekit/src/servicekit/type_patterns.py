"""Media types as policies and tickets name them: "image/png", "image/*", "*/*".

They stand here because both services need them: `upload` compares them with bytes, `auth` with the
patterns of the ticket that is narrowed. A type that has several spellings is one type.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from servicekit.file_types import FILE_TYPES
from servicekit.known_types import all_types, ancestors, name_of

#: Types of which browsers run what they are given: plain text never becomes one by a word of its
#: client, so a file has one of them by its bytes or not at all.
ACTIVE_TYPES: Final = frozenset(
    {"text/html", "image/svg+xml", "application/xhtml+xml", "text/javascript", "text/css"}
    | {"application/ecmascript", "text/jscript", "text/livescript", "text/x-component"}
    | {"text/cache-manifest", "application/hta", "text/vbscript", "application/xslt+xml"}
    | {"application/x-shockwave-flash", "text/xsl", "application/x-httpd-php", "text/jsx"}
    | {"application/wasm", "application/mathml+xml", "application/rdf+xml"}
)

_WORD: Final = r"[A-Za-z0-9!#$%&'+.^_`|~-]{1,127}"  # RFC 9110 section 5.6.2, without "*"
_PATTERN = re.compile(rf"\*/\*|{_WORD}/(?:\*|{_WORD})")


@lru_cache(maxsize=4096)
def matches(pattern: str, media_type: str) -> bool:
    """Tell whether a media type falls under "image/*", "*/*" or an exact type.

    Case, parameters ("; charset=…") and the spelling of a type do not count. A type that no file is
    found to have, such as "application/ogg", stands for the types that are kinds of it.
    """
    wanted, got = name_of(essence(pattern)), name_of(essence(media_type))
    if wanted == "*/*":
        return "/" in got
    if wanted.endswith("/*"):
        return got.startswith(wanted[:-1])
    general = wanted not in FILE_TYPES and wanted not in ACTIVE_TYPES
    return wanted == got or (general and wanted in ancestors(got))


@lru_cache(maxsize=4096)
def can_match(pattern: str) -> bool:
    """Tell whether a file can fall under a pattern: by its bytes, or by the claim of its client
    that bytes of a more general type are of this one.
    """
    wanted = name_of(essence(pattern))
    if may_be_claimed(wanted) or any(matches(wanted, each) for each in FILE_TYPES):
        return True
    family = (each for each in all_types() if wanted.endswith("/*") and matches(wanted, each))
    return any(map(may_be_claimed, family))


def may_be_claimed(media_type: str) -> bool:
    """Tell whether a client's word makes a file of this type: where the bytes of a more general one
    do not tell further, and nothing becomes active by it.
    """
    above = ancestors(media_type)
    active = media_type in ACTIVE_TYPES or not above.isdisjoint(ACTIVE_TYPES)
    return not active and not above.isdisjoint(FILE_TYPES)


def is_pattern(text: str) -> bool:
    """Tell whether `text` is a media type, "type/*" or "*/*"; parameters are not allowed."""
    return _PATTERN.fullmatch(text) is not None


def covers(wider: str, pattern: str) -> bool:
    """Tell whether every media type that falls under `pattern` falls under `wider` too."""
    if pattern.endswith("/*"):
        major, wanted = essence(pattern)[:-1], essence(wider)
        return wanted == "*/*" or (wanted.endswith("/*") and wanted[:-1] == major)
    kinds = [each for each in FILE_TYPES if matches(pattern, each)]
    return matches(wider, pattern) and all(matches(wider, each) for each in kinds)


def essence(media_type: str) -> str:
    """The type in small letters and without parameters."""
    return media_type.partition(";")[0].strip().lower()
