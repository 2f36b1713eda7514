"""Names that clients choose: object keys, prefixes, bucket and tenant names.

A key is 1 to 1024 bytes of UTF-8 in Unicode NFC, split into segments by "/". It never becomes a
path on disk; it is refused when a person could not tell it from another one, or when a tool that
downloads it could be led outside its directory.

These rules stand here because both services need them: `upload` for what is stored, `auth` for what
a ticket names.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from servicekit.name_characters import Misplaced, ends_in_joiner, first_misplaced, shown

MAX_KEY_BYTES = 1024
MAX_SEGMENT_BYTES = 255

# NFC shortens text, but sorting a run of combining marks costs the square of its length, so the
# length is checked before normalising too. No NFC key of 1024 bytes needs more than this.
MAX_UNNORMALISED_BYTES = 4 * MAX_KEY_BYTES

# The common case in one match: printable ASCII without backslash, no empty or dot segment. The
# lengths are kept by the quantifier (segment) and by the caller (whole key).
_ASCII_SEGMENT = r"(?!\.\.?(?:/|\Z))[ -.0-\[\]-~]{1,255}+"
_ASCII_KEY = re.compile(rf"{_ASCII_SEGMENT}(?:/{_ASCII_SEGMENT})*+")
_ASCII_KEY_BYTES = re.compile(_ASCII_KEY.pattern.encode())

_LABEL = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")


class InvalidName(ValueError):
    """A name that a client chose breaks a rule; the message says which and what to do.

    Attributes:
        members: `name`, as it can be shown, and `character` (`U+202E`) and `position` (from 1)
            where one character is to blame; for the problem document.
    """

    def __init__(
        self, message: str, name: str | None = None, misplaced: Misplaced | None = None
    ) -> None:
        """Take the sentence, the name that it is about, and the character that is wrong in it."""
        super().__init__(message)
        self.members: dict[str, Any] = {}
        if name is not None:
            self.members["name"] = shown(name)
        if misplaced is not None:
            self.members |= {"character": misplaced.code, "position": misplaced.position}


class InvalidKey(InvalidName):
    """An object key or a prefix breaks a rule."""


class InvalidBucketName(InvalidName):
    """A bucket name breaks a rule."""


class InvalidTenantName(InvalidName):
    """A tenant name breaks a rule."""


def object_key(raw: bytes) -> str:
    """Return the NFC key for the percent-decoded bytes of a URL path.

    Raises:
        InvalidKey: not strict UTF-8 (overlong forms and surrogates included), or a rule is broken.
    """
    if len(raw) <= MAX_KEY_BYTES and _ASCII_KEY_BYTES.fullmatch(raw):
        return raw.decode("ascii")
    if len(raw) > MAX_UNNORMALISED_BYTES:
        raise _too_long("key", MAX_KEY_BYTES, raw.decode("utf-8", "replace"))
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        name = raw.decode("utf-8", "replace")
        raise InvalidKey(
            f'The key "{shown(name)}" is not UTF-8: its byte {error.start + 1} is '
            f"0x{raw[error.start]:02X}. Percent-encode its UTF-8 bytes.",
            name,
        ) from None
    return _checked_key(text)


def object_key_text(text: str) -> str:
    """Return the NFC key for text that came in JSON, a form field or tus metadata.

    Raises:
        InvalidKey: a rule is broken.
    """
    if len(text) <= MAX_KEY_BYTES and _ASCII_KEY.fullmatch(text):
        return text
    return _checked_key(text)


def prefix(text: str) -> str:
    """Return the NFC prefix: a key that may be empty, and may end in "/" or in a joiner.

    Raises:
        InvalidKey: a rule of keys is broken.
    """
    if text.endswith("/"):
        return _within(object_key_text(text[:-1]) + "/", MAX_KEY_BYTES)
    if ends_in_joiner(text):  # what makes sense of it may follow
        return _checked_key(text, may_go_on=True)
    return object_key_text(text) if text else ""


def bucket_name(text: str) -> str:
    """Return `text` when it is 3 to 63 of a-z, 0-9 and inner "-".

    Raises:
        InvalidBucketName: it is not.
    """
    if not _LABEL.fullmatch(text):
        raise InvalidBucketName(_label_rule("bucket"))
    return text


def tenant_name(text: str) -> str:
    """Return `text` when it is 3 to 63 of a-z, 0-9 and inner "-".

    Raises:
        InvalidTenantName: it is not.
    """
    if not _LABEL.fullmatch(text):
        raise InvalidTenantName(_label_rule("tenant"))
    return text


def _checked_key(text: str, *, may_go_on: bool = False) -> str:
    if len(text) > MAX_UNNORMALISED_BYTES:
        raise _too_long("key", MAX_KEY_BYTES, text)
    key = unicodedata.normalize("NFC", text)
    misplaced = first_misplaced(key)  # surrogates too, so that encoding below cannot fail
    if misplaced is not None and not (may_go_on and misplaced.position == len(key)):
        # Where it stands in what was sent.
        misplaced = first_misplaced(text) or misplaced
        raise InvalidKey(misplaced_in("key", text, misplaced), text, misplaced)
    for segment in _within(key, MAX_KEY_BYTES).split("/"):
        _check_segment(segment, key)
    return key


def _check_segment(segment: str, key: str) -> None:
    if segment in {"", ".", ".."}:
        raise InvalidKey(
            f'A segment of the key "{shown(key)}" is empty, "." or ".."; remove or rename it.', key
        )
    # A backslash is a plain character here, but a Windows client that downloads by key takes it
    # for a separator.
    if "\\" in segment and ".." in segment.split("\\"):
        raise InvalidKey(
            f'The key "{shown(key)}" holds ".." before or after a backslash; remove it.', key
        )
    if len(segment.encode()) > MAX_SEGMENT_BYTES:
        raise _too_long("segment of the key", MAX_SEGMENT_BYTES, segment)


def _within(key: str, limit: int) -> str:
    if len(key.encode()) > limit:
        raise _too_long("key", limit, key)
    return key


def _too_long(what: str, limit: int, name: str) -> InvalidKey:
    return InvalidKey(too_long(what, limit, name), name)


def too_long(what: str, limit: int, name: str) -> str:
    """The sentence about a name that is too long."""
    return f'The {what} "{shown(name)}" is longer than {limit} bytes of UTF-8; shorten it.'


def misplaced_in(what: str, name: str, misplaced: Misplaced) -> str:
    """The sentence about a name with a character that may not stand where it stands."""
    return (
        f'The {what} "{shown(name)}" holds {misplaced}. Control, bidirectional and stray '
        "zero-width characters are not taken; send it without."
    )


def _label_rule(what: str) -> str:
    return (
        f"A {what} name is 3 to 63 characters of a-z, 0-9 and '-', and neither begins nor ends"
        " with '-'; choose one like that."
    )
