"""Patterns of media types in policies and tickets: "image/png", "image/*", "*/*".

Two services use this module: upload compares patterns with the types of files, and auth compares
patterns with those of the ticket that it narrows. The aliases of a type count as the same type.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from servicekit.file_types import FILE_TYPES
from servicekit.known_types import all_types, ancestors, name_of

#: Types with content that browsers execute. A file gets such a type only from its bytes: a client
#: that names such a type for plain text does not change the type of the file.
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
    """Tell whether a media type matches a pattern: "image/*", "*/*" or an exact type.

    The comparison ignores case, parameters ("; charset=…") and aliases. A type that Wharf never
    recognizes for a file, such as "application/ogg", matches its more special types.
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
    """Tell whether a file can match a pattern.

    A file gets its type from its bytes. A client may also name a more special type than the type of
    the bytes.
    """
    wanted = name_of(essence(pattern))
    if may_be_claimed(wanted) or any(matches(wanted, each) for each in FILE_TYPES):
        return True
    family = (each for each in all_types() if wanted.endswith("/*") and matches(wanted, each))
    return any(map(may_be_claimed, family))


def may_be_claimed(media_type: str) -> bool:
    """Tell whether a client may name this type for a file.

    That is allowed if Wharf recognizes only a more general type from the bytes, and if the type is
    not active.
    """
    above = ancestors(media_type)
    active = media_type in ACTIVE_TYPES or not above.isdisjoint(ACTIVE_TYPES)
    return not active and not above.isdisjoint(FILE_TYPES)


def is_pattern(text: str) -> bool:
    """Tell whether `text` is a media type, "type/*" or "*/*"; parameters are not allowed."""
    return _PATTERN.fullmatch(text) is not None


def covers(wider: str, pattern: str) -> bool:
    """Tell whether every media type that matches `pattern` also matches `wider`."""
    if pattern.endswith("/*"):
        major, wanted = essence(pattern)[:-1], essence(wider)
        return wanted == "*/*" or (wanted.endswith("/*") and wanted[:-1] == major)
    kinds = [each for each in FILE_TYPES if matches(pattern, each)]
    return matches(wider, pattern) and all(matches(wider, each) for each in kinds)


def essence(media_type: str) -> str:
    """Return the type in lower case and without parameters."""
    return media_type.partition(";")[0].strip().lower()
