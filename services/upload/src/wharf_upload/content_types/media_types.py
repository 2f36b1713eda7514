"""Media types as policies name them, and what a file's extension claims."""

from __future__ import annotations

import re
from functools import lru_cache
from mimetypes import MimeTypes
from typing import Final

from servicekit.type_patterns import essence, is_pattern, matches

__all__ = ["INLINE_TYPES", "extension_agrees", "is_pattern", "matches"]

#: Types that no browser executes: the only ones ever served inline (security.md row 41). HTML,
#: SVG, XML and PDF are left out on purpose.
INLINE_TYPES: Final = frozenset(
    {"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp"}
    | {"image/x-icon"}
    | {"audio/mpeg", "audio/mp4", "audio/ogg", "audio/wav", "audio/flac", "audio/aac"}
    | {"video/mp4", "video/webm", "video/quicktime", "video/mpeg"}
    | {"text/plain"}
)

_UNKNOWN: Final = "application/octet-stream"
# The library's own table only: what the host has in /etc/mime.types must not decide.
_TABLE: Final = MimeTypes(filenames=())
_ENCODINGS: Final = {
    "gzip": "application/gzip",
    "bzip2": "application/x-bzip2",
    "xz": "application/x-xz",
    "compress": "application/x-compress",
    "br": "application/x-brotli",
}
_OOXML: Final = "application/vnd.openxmlformats-officedocument."
_MORE: Final = {
    ".7z": "application/x-7z-compressed", ".apk": "application/vnd.android.package-archive",
    ".cab": "application/vnd.ms-cab-compressed", ".cr2": "image/x-canon-cr2",
    ".deb": "application/vnd.debian.binary-package", ".dicom": "application/dicom",
    ".dcm": "application/dicom", ".dll": "application/x-msdownload",
    ".exe": "application/x-msdownload", ".so": "application/x-executable",
    ".docm": _OOXML + "wordprocessingml.document",
    ".docx": _OOXML + "wordprocessingml.document", ".epub": "application/epub+zip",
    ".flac": "audio/flac", ".flv": "video/x-flv", ".heic": "image/heic", ".heif": "image/heic",
    ".jar": "application/java-archive", ".jfif": "image/jpeg", ".log": "text/plain",
    ".lz4": "application/x-lz4", ".m4a": "audio/mp4", ".m4v": "video/mp4",
    ".md": "text/markdown", ".mkv": "video/x-matroska", ".msg": "application/vnd.ms-outlook",
    ".msi": "application/x-ole-storage", ".odp": "application/vnd.oasis.opendocument.presentation",
    ".ods": "application/vnd.oasis.opendocument.spreadsheet",
    ".odt": "application/vnd.oasis.opendocument.text", ".oga": "audio/ogg", ".ogg": "audio/ogg",
    ".ogv": "audio/ogg", ".otf": "font/otf", ".potx": _OOXML + "presentationml.presentation",
    ".pptm": _OOXML + "presentationml.presentation",
    ".pptx": _OOXML + "presentationml.presentation", ".psd": "image/vnd.adobe.photoshop",
    ".rar": "application/vnd.rar", ".rpm": "application/x-rpm", ".rtf": "application/rtf",
    ".sql": "text/x-sql", ".sqlite": "application/x-sqlite3", ".toml": "text/x-toml",
    ".ttf": "font/ttf", ".wmv": "video/x-ms-wmv", ".woff": "font/woff", ".woff2": "font/woff2",
    ".xlsm": _OOXML + "spreadsheetml.sheet", ".xlsx": _OOXML + "spreadsheetml.sheet",
    ".yaml": "text/x-yaml", ".yml": "text/x-yaml", ".zst": "application/zstd",
}  # fmt: skip
# Spellings of one type, and families whose members share one signature.
_SAME: Final = {
    "application/font-woff": "font/woff",
    "application/ogg": "audio/ogg",
    "application/vnd.ms-word.document.macroenabled.12": _OOXML + "wordprocessingml.document",
    "application/x-gzip": "application/gzip",
    "application/x-pkcs12": _UNKNOWN,
    "application/x-rar-compressed": "application/vnd.rar",
    "application/x-zip-compressed": "application/zip",
    "audio/mp3": "audio/mpeg",
    "audio/mp4a-latm": "audio/mp4",
    "audio/vnd.wave": "audio/wav",
    "audio/x-aiff": "audio/aiff",
    "audio/x-flac": "audio/flac",
    "audio/x-wav": "audio/wav",
    "image/apng": "image/png",
    "image/heif": "image/heic",
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/vnd.microsoft.icon": "image/x-icon",
    "image/x-ms-bmp": "image/bmp",
    "text/xml": "application/xml",
    "video/3gpp2": "video/3gpp",
    "video/avi": "video/x-msvideo",
    "video/ogg": "audio/ogg",
    "video/x-m4v": "video/mp4",
}
# Claims that bytes without a signature cannot contradict: these are text on disk.
_TEXTUAL_APPLICATIONS: Final = frozenset(
    {"application/json", "application/javascript", "application/x-javascript", "application/x-sh"}
    | {"application/x-csh", "application/x-tcl", "application/x-latex", "application/x-tex"}
    | {"application/x-ndjson", "application/manifest+json", "application/x-python-code"}
    | {"application/x-httpd-php", "application/xml", "application/n-quads", "application/trig"}
)
# Claims that active content hides behind: plain text is not good enough for them.
_MARKUP: Final = frozenset({"text/html", "image/svg+xml", "application/xhtml+xml"})
_ZIP_BASED = re.compile(
    r"application/(?:zip|epub\+zip|java-archive|vnd\.(?:openxmlformats-|oasis\.|android\.|ms-visio)"
    r".*)"
)
_OLE_BASED: Final = frozenset(
    {"application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint"}
    | {"application/vnd.visio", "application/vnd.ms-outlook", "application/x-ole-storage"}
)
# What bytes can be recognised as: only of these does "unknown" contradict the extension.
_RECOGNISABLE = re.compile(
    r"image/(?:png|jpeg|gif|webp|avif|heic|bmp|tiff|x-icon|svg\+xml)|text/.*|audio/(?:wav|flac|ogg)"
    r"|video/(?:mp4|quicktime|webm|x-matroska|x-msvideo)|application/(?:pdf|rtf|gzip|x-xz|zstd"
    r"|x-7z-compressed|vnd\.rar|json|xml|xhtml\+xml|wasm)|font/.*"
)


@lru_cache(maxsize=4096)
def extension_agrees(filename: str, media_type: str) -> bool | None:
    """Tell whether a file name's extension fits a sniffed media type.

    None: there is no extension, it is unknown, or the bytes of its type carry no signature.
    Extensions of text formats fit any plain text, except those of HTML, XHTML and SVG, which need
    their own markup. A bare ZIP or OLE2 container fits the formats built on it, and the reverse.
    """
    claimed = _claimed(filename)
    if claimed is None or (claimed == _UNKNOWN != media_type):  # ".bin" claims nothing
        return None
    found = _canonical(media_type)
    if claimed == found or _fits_text(claimed, found):
        return True
    if _in_one_container(claimed, found):
        return True
    if found == _UNKNOWN and not _RECOGNISABLE.fullmatch(claimed):
        return None
    return False


def _claimed(filename: str) -> str | None:
    """Return the canonical type that the extension stands for; None when it is unknown."""
    dot = filename.rfind(".")
    if dot <= 0:
        return None
    more = _MORE.get(filename[dot:].lower())
    if more is not None:
        return more
    guessed, encoding = _TABLE.guess_type(f"x{filename[dot:].lower()}")
    if encoding is not None:
        return _ENCODINGS.get(encoding)
    return None if guessed is None else _canonical(guessed)


def _fits_text(claimed: str, found: str) -> bool:
    if found == "application/xhtml+xml":
        return claimed in {"text/html", "application/xml"}
    if claimed in _MARKUP:
        return False
    if found in {"text/plain", "text/x-script"}:
        return _is_text(claimed)
    # SVG is XML, so ".xml" is no lie; nor is an extension whose XML the sniffer cannot name.
    return (found.endswith("+xml") and claimed == "application/xml") or (
        found == "application/xml" and claimed.endswith("+xml")
    )


def _is_text(media_type: str) -> bool:
    return media_type.startswith("text/") or (
        media_type in _TEXTUAL_APPLICATIONS or media_type.endswith(("+json", "+xml"))
    )


def _in_one_container(claimed: str, found: str) -> bool:
    """A container may not show its kind in the first bytes, so the bare one fits them all."""
    if "application/zip" in {claimed, found}:
        return bool(_ZIP_BASED.fullmatch(claimed) and _ZIP_BASED.fullmatch(found))
    if "application/x-ole-storage" in {claimed, found}:
        return {claimed, found} <= _OLE_BASED
    return False


def _canonical(media_type: str) -> str:
    plain = essence(media_type)
    return _SAME.get(plain, plain)
