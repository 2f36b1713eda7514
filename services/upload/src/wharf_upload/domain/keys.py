"""Names that clients choose: the rules of `servicekit.keys`, file names, and renaming."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from servicekit.keys import (
    MAX_KEY_BYTES,
    MAX_SEGMENT_BYTES,
    MAX_UNNORMALISED_BYTES,
    InvalidBucketName,
    InvalidKey,
    InvalidName,
    InvalidTenantName,
    bucket_name,
    misplaced_in,
    object_key,
    object_key_text,
    prefix,
    tenant_name,
    too_long,
)
from servicekit.name_characters import FORBIDDEN, display_name, first_misplaced, shown

__all__ = [
    "FORBIDDEN",
    "MAX_KEY_BYTES",
    "MAX_SEGMENT_BYTES",
    "InvalidBucketName",
    "InvalidFileName",
    "InvalidKey",
    "InvalidName",
    "InvalidTenantName",
    "bucket_name",
    "file_name",
    "object_key",
    "object_key_text",
    "path_bytes",
    "prefix",
    "relative_path",
    "renamed",
    "tenant_name",
]

_DRIVE = re.compile(r"[A-Za-z]:/")
_COMPOUND_EXTENSION = re.compile(r"\.tar\.[A-Za-z0-9]{1,5}\Z")
_EXTENSION = re.compile(r"\.[^. ]{0,31}\Z")


class InvalidFileName(InvalidName):
    """A file name breaks a rule."""


def path_bytes(path: str) -> bytes:
    """Return the bytes of a percent-encoded path; WSGI represents bytes as Latin-1 (PEP 3333)."""
    return unquote_to_bytes(path.encode("latin-1"))


def file_name(text: str) -> str:
    """Return the file name in a name that a client sent: 1 to 255 bytes, in Unicode form NFC.

    Some browsers send the whole path on the user's machine; the file name is the part after the
    last slash or backslash. Invisible characters that only programs insert are removed.

    Raises:
        InvalidFileName: empty, "." or "..", too long, or it contains a forbidden character.
    """
    sent = text[max(text.rfind("/"), text.rfind("\\")) + 1 :]
    if len(sent) > MAX_UNNORMALISED_BYTES:
        raise InvalidFileName(too_long("file name", MAX_SEGMENT_BYTES, sent), sent)
    name = display_name(sent)
    misplaced = first_misplaced(name)
    if misplaced is not None:
        raise InvalidFileName(misplaced_in("file name", name, misplaced), name, misplaced)
    if name in {"", ".", ".."}:
        raise InvalidFileName(
            f'The file name "{shown(text)}" ends in an empty name, "." or ".."; send a real one.',
            text,
        )
    if len(name.encode()) > MAX_SEGMENT_BYTES:
        raise InvalidFileName(too_long("file name", MAX_SEGMENT_BYTES, name), name)
    return name


def relative_path(text: str) -> str:
    """Return the path of a file in an uploaded folder; each segment is a file name.

    Slashes and backslashes separate the segments. The path that a browser sends for a dropped
    folder begins with one slash; this function removes the slash and all segments ".".

    Raises:
        InvalidFileName: the path leads out of the folder, or a segment is no file name.
    """
    sent = text.replace("\\", "/").removeprefix("/")
    folders = [segment for segment in sent.split("/")[:-1] if segment != "."]
    if ".." not in folders and "" not in folders:
        path = "/".join([*map(file_name, folders), file_name(sent)])
        if not _DRIVE.match(path):
            return path
    raise InvalidFileName(
        f'The path "{shown(text)}" is not inside a folder: send a relative path without empty '
        'segments and without "..".',
        text,
    )


def renamed(key: str, n: int) -> str:
    """Return the replacement for an occupied key: "a/photo.jpg" and 2 give "a/photo (2).jpg".

    The stem is shortened on a character boundary if the result would be too long.

    Raises:
        InvalidKey: not even one character of the stem fits.
    """
    directory, slash, name = key.rpartition("/")
    stem, extension = _split_extension(name)
    tail = f" ({n}){extension}"
    head = directory + slash
    room = min(MAX_SEGMENT_BYTES, MAX_KEY_BYTES - len(head.encode())) - len(tail.encode())
    kept = stem.encode()[: max(room, 0)].decode("utf-8", errors="ignore")
    # The cut may have removed one of the two characters around a joiner; then remove the joiner,
    # too.
    while kept and first_misplaced(kept + tail):
        kept = kept[:-1]
    if not kept:
        raise InvalidKey("The key is too long to be renamed; send a shorter one.")
    return head + kept + tail


def _split_extension(name: str) -> tuple[str, str]:
    """Split a name into a stem, which is never empty, and an extension, which may be empty."""
    found = _COMPOUND_EXTENSION.search(name) or _EXTENSION.search(name)
    if found is None or found.start() == 0:  # The name has no extension, or is a dotfile.
        return name, ""
    return name[: found.start()], found.group()
