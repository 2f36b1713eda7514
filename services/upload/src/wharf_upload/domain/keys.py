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
    """Return the bytes of a path, percent-decoded; WSGI shows bytes as Latin-1 (PEP 3333)."""
    return unquote_to_bytes(path.encode("latin-1"))


def file_name(text: str) -> str:
    """Return the NFC file name (1 to 255 bytes) in a name that a client sent.

    Some browsers send the whole path on the user's machine; what follows the last slash or
    backslash is the name. What only programs put into names, and nobody sees, is left out.

    Raises:
        InvalidFileName: empty, "." or "..", too long, or a character in it is not allowed there.
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
    """Return the path of a file in a folder that a client sent, each of its segments a file name.

    A slash or backslash parts the segments. The path that a browser gives to what was dropped
    begins with one slash, which is left out, and so are segments ".".

    Raises:
        InvalidFileName: it leads out of the folder, or a segment is no file name.
    """
    sent = text.replace("\\", "/").removeprefix("/")
    folders = [segment for segment in sent.split("/")[:-1] if segment != "."]
    if ".." not in folders and "" not in folders:
        path = "/".join([*map(file_name, folders), file_name(sent)])
        if not _DRIVE.match(path):
            return path
    raise InvalidFileName(
        f'The path "{shown(text)}" is not one inside of a folder: send it relative, with no empty '
        'segment and no "..".',
        text,
    )


def renamed(key: str, n: int) -> str:
    """Return the key that stands in for a taken one: "a/photo.jpg", 2 gives "a/photo (2).jpg".

    The stem is shortened on a character boundary when the result would be too long.

    Raises:
        InvalidKey: not even one character of the stem fits.
    """
    directory, slash, name = key.rpartition("/")
    stem, extension = _split_extension(name)
    tail = f" ({n}){extension}"
    head = directory + slash
    room = min(MAX_SEGMENT_BYTES, MAX_KEY_BYTES - len(head.encode())) - len(tail.encode())
    kept = stem.encode()[: max(room, 0)].decode("utf-8", errors="ignore")
    while kept and first_misplaced(kept + tail):  # a joiner whose other side was cut off
        kept = kept[:-1]
    if not kept:
        raise InvalidKey("The key is too long to be renamed; send a shorter one.")
    return head + kept + tail


def _split_extension(name: str) -> tuple[str, str]:
    """Split a name into a stem that is never empty and an extension that may be."""
    found = _COMPOUND_EXTENSION.search(name) or _EXTENSION.search(name)
    if found is None or found.start() == 0:  # no extension, or a dotfile
        return name, ""
    return name[: found.start()], found.group()
