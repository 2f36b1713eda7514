"""The rules for names that clients choose: object keys, prefixes, bucket and tenant names.

A key is 1 to 1024 bytes of UTF-8 in Unicode NFC, split into segments by "/". A key never becomes a
path on disk. A key is refused if people could confuse it with another key, or if a tool that
downloads it could write outside the tool's directory.

Two services use these rules: upload for files, and auth for tickets.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from servicekit.name_characters import Misplaced, ends_in_joiner, first_misplaced, shown

MAX_KEY_BYTES = 1024
MAX_SEGMENT_BYTES = 255

# NFC can shorten a text, but it sorts combining marks in quadratic time. So the length is also
# checked before the normalization. No NFC key of 1024 bytes needs a longer text than this.
MAX_UNNORMALISED_BYTES = 4 * MAX_KEY_BYTES

# One match accepts the common case: printable ASCII without a backslash, and without empty or dot
# segments. The quantifier limits a segment's length; the caller checks the length of the key.
_ASCII_SEGMENT = r"(?!\.\.?(?:/|\Z))[ -.0-\[\]-~]{1,255}+"
_ASCII_KEY = re.compile(rf"{_ASCII_SEGMENT}(?:/{_ASCII_SEGMENT})*+")
_ASCII_KEY_BYTES = re.compile(_ASCII_KEY.pattern.encode())

_LABEL = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")


class InvalidName(ValueError):
    """A name from a client breaks a rule; the message names the rule and the remedy.

    Attributes:
        members: for the problem document: `name` in its form for messages. If one character breaks
            the rule, also `character` (`U+202E`) and `position` (from 1).
    """

    def __init__(
        self, message: str, name: str | None = None, misplaced: Misplaced | None = None
    ) -> None:
        """Create the error with its message, the name, and the misplaced character if any."""
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
        InvalidKey: the bytes are not strict UTF-8 (without overlong forms and surrogates), or the
            key breaks a rule.
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
    """Return the NFC key for text from JSON, a form field or tus metadata.

    Raises:
        InvalidKey: the key breaks a rule.
    """
    if len(text) <= MAX_KEY_BYTES and _ASCII_KEY.fullmatch(text):
        return text
    return _checked_key(text)


def prefix(text: str) -> str:
    """Return the NFC prefix: a key that may be empty, and may end with "/" or a joiner.

    Raises:
        InvalidKey: the prefix breaks a rule of keys.
    """
    if text.endswith("/"):
        return _within(object_key_text(text[:-1]) + "/", MAX_KEY_BYTES)
    if ends_in_joiner(text):  # the rest of a key may make the joiner valid
        return _checked_key(text, may_go_on=True)
    return object_key_text(text) if text else ""


def bucket_name(text: str) -> str:
    """Return `text` if it is 3 to 63 characters of a-z, 0-9 and inner "-".

    Raises:
        InvalidBucketName: the text breaks this rule.
    """
    if not _LABEL.fullmatch(text):
        raise InvalidBucketName(_label_rule("bucket"))
    return text


def tenant_name(text: str) -> str:
    """Return `text` if it is 3 to 63 characters of a-z, 0-9 and inner "-".

    Raises:
        InvalidTenantName: the text breaks this rule.
    """
    if not _LABEL.fullmatch(text):
        raise InvalidTenantName(_label_rule("tenant"))
    return text


def _checked_key(text: str, *, may_go_on: bool = False) -> str:
    if len(text) > MAX_UNNORMALISED_BYTES:
        raise _too_long("key", MAX_KEY_BYTES, text)
    key = unicodedata.normalize("NFC", text)
    misplaced = first_misplaced(key)  # it refuses surrogates too, so that `encode` cannot fail
    if misplaced is not None and not (may_go_on and misplaced.position == len(key)):
        # The position in the text that the client sent.
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
    # A backslash is an ordinary character in a key, but a client on Windows that downloads the file
    # treats it as a separator.
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
    """Return the message for a name that is too long."""
    return f'The {what} "{shown(name)}" is longer than {limit} bytes of UTF-8; shorten it.'


def misplaced_in(what: str, name: str, misplaced: Misplaced) -> str:
    """Return the message for a name with a character that is not allowed in its place."""
    return (
        f'The {what} "{shown(name)}" holds {misplaced}. Control, bidirectional and stray '
        "zero-width characters are not taken; send it without."
    )


def _label_rule(what: str) -> str:
    return (
        f"A {what} name is 3 to 63 characters of a-z, 0-9 and '-', and neither begins nor ends"
        " with '-'; choose another name."
    )
