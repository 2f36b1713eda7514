"""Rules for media types: patterns of policies, types that extensions claim, and safe types."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from servicekit import known_types
from servicekit.file_types import FILE_TYPES, UNKNOWN
from servicekit.type_patterns import can_match, essence, is_pattern, matches, may_be_claimed

__all__ = [
    "INLINE_TYPES", "REFINEMENTS", "can_match", "claims", "extension_agrees", "found_type",
    "is_pattern", "matches", "types_of_name",
]  # fmt: skip

#: Types that no browser executes. Only these are served inline (security.md row 41). HTML, SVG,
#: XML and PDF are left out on purpose.
INLINE_TYPES: Final = frozenset(
    {"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp"}
    | {"image/x-icon"}
    | {"audio/mpeg", "audio/mp4", "audio/ogg", "audio/wav", "audio/flac", "audio/aac"}
    | {"audio/webm", "video/ogg"}
    | {"video/mp4", "video/webm", "video/quicktime", "video/mpeg"}
    | {"text/plain"}
)
#: The sniffer finds plain text for these types. The client's declared type or extension selects
#: the exact type. None of them is active content.
REFINEMENTS: Final = frozenset(
    {"text/csv", "text/markdown", "text/tab-separated-values", "text/calendar", "text/vcard"}
    | {"application/json", "application/x-ndjson", "application/yaml", "application/toml"}
)

_TEXT: Final = "text/plain"
_SCRIPT: Final = "text/x-script"
_XML: Final = "application/xml"
_XHTML: Final = "application/xhtml+xml"
# Active types. A file has one of these types only if its bytes have the markup: plain text is not
# enough. In turn, an extension of plain text does not agree with bytes of these types.
_MARKUP: Final = frozenset({"text/html", "image/svg+xml", _XHTML})
# General types. The sniffer checks the specific formats first, so a file with a general type has
# none of the specific formats in `FILE_TYPES`.
_TOLD: Final = frozenset({_TEXT, _SCRIPT, "application/zip", "application/gzip"})
# Base types of many formats that the sniffer does not recognise. An extension of such a format does
# not contradict bytes of these types.
_VAGUE: Final = _TOLD | {_XML, "application/x-ole-storage", "image/tiff", "application/x-sqlite3"}
# Formats that exist in a text form and in a binary form.
_TEXT_TOO: Final = frozenset(
    {"application/pkix-cert", "application/x-pem-file", "application/pkcs8", "application/pkcs10"}
    | {"application/pkcs7-mime", "application/pkcs7-signature", "application/x-pkcs7-certificates"}
    | {"application/pkix-crl", "application/pgp-encrypted", "application/pgp-signature"}
    | {"application/pgp-keys", "model/stl", "model/obj", "image/x-xbitmap"}
)
# Types that the sniffer recognises reliably: a file of unknown type contradicts only the extensions
# of these types.
_RECOGNISABLE = re.compile(
    r"image/(?:png|jpeg|gif|webp|avif|heic|bmp|tiff|x-icon|svg\+xml)|text/.*|audio/(?:wav|flac|ogg)"
    r"|video/(?:mp4|quicktime|webm|x-matroska|x-msvideo)|application/(?:pdf|rtf|gzip|x-xz|zstd"
    r"|x-7z-compressed|vnd\.rar|json|xml|xhtml\+xml|wasm)|font/.*"
)


known_types.load()


@lru_cache(maxsize=4096)
def extension_agrees(filename: str, media_type: str) -> bool | None:
    """Tell whether a file name's extension fits the type of its bytes.

    The extension fits if one of its types is the type of the bytes, a subtype of that type, or a
    supertype of it. HTML, XHTML and SVG need their own markup. Return None if the question cannot
    be answered: the file name has no extension, the extension is unknown or general (".bin"), or
    files of its type have no signature that the sniffer knows.
    """
    claimed = types_of_name(filename)
    found = known_types.name_of(essence(media_type))
    if not claimed or claimed == {UNKNOWN} != {found}:  # ".bin" claims nothing
        return None
    if any(_fits(one, found) for one in claimed):
        return True
    if found in _VAGUE and not any(one in _MARKUP or _is_told(one) for one in claimed):
        return None
    unrecognisable = (one for one in claimed if not _RECOGNISABLE.fullmatch(one))
    return None if found == UNKNOWN and any(unrecognisable) else False


def types_of_name(filename: str) -> frozenset[str]:
    """Return the types of a name's extensions; ".pcf.gz" stands for a font and for gzip."""
    return frozenset().union(*map(known_types.of_extension, _extensions(filename)))


def claims(found: str, declared: str | None, filename: str) -> Iterator[str]:
    """Yield the types that a client claims and that the file may have; its bytes have type `found`.

    A claimed type is yielded if it equals `found`, or if it is a subtype of `found` that is not
    active and that the sniffer would not have found. If the bytes are plain text, a type that
    exists in a text form is yielded, too.
    """
    said = set() if declared is None else {known_types.name_of(essence(declared))}
    kind = _TEXT if found == _SCRIPT else found
    for one in sorted(said) + sorted(types_of_name(filename) - said):
        if one == found or _may_be(one, kind):
            yield one


def _may_be(one: str, kind: str) -> bool:
    """Tell whether a file with bytes of the type `kind` may get the claimed type `one`."""
    if kind == _TEXT and one in _TEXT_TOO:
        return True
    if kind in _TOLD and one in FILE_TYPES - REFINEMENTS:
        return False
    above = known_types.ancestors(one)
    # Browsers show subtypes of XML as XML, so the bytes must be XML: plain text may hide anything.
    return kind in above and not (kind == _TEXT and _XML in above) and may_be_claimed(one)


def _is_told(media_type: str) -> bool:
    """Tell whether the sniffer recognises a type or one of its supertypes."""
    return media_type in FILE_TYPES or not FILE_TYPES.isdisjoint(known_types.ancestors(media_type))


def found_type(recorded: str) -> str:
    """Return the type that the sniffer found; the recorded type may be a subtype of it."""
    if recorded in REFINEMENTS:
        return _TEXT
    above = known_types.ancestors(recorded) & FILE_TYPES
    if recorded in FILE_TYPES or not above:
        return recorded
    return max(above, key=lambda each: (len(known_types.ancestors(each)), each))


def _extensions(filename: str) -> Iterator[str]:
    """Yield the possible extensions in lower case, the longest first.

    A dot at the beginning of the name begins no extension.
    """
    parts = filename.lower().split(".")
    start = 1 if parts[0] else 2
    for at in range(max(start, len(parts) - 3), len(parts)):
        yield ".".join(parts[at:])


def _fits(claimed: str, found: str) -> bool:
    if claimed == found:
        return True
    if found in _MARKUP:
        # SVG and XHTML are XML, so ".xml" is correct. The sniffer may find HTML in XHTML.
        return claimed == _XML or {claimed, found} == {"text/html", _XHTML}
    if claimed in _MARKUP:
        return False
    if found in {_TEXT, _SCRIPT}:
        return claimed in _TEXT_TOO or known_types.are_related(claimed, _TEXT)
    return known_types.are_related(claimed, found)
