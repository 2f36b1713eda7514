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

_CONTROL = "\x00-\x1f\x7f-\x9f\u2028\u2029\ufff9-\ufffb"
_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u206a-\u206f"
# The zero-width joiner is among them, so emoji made with it (families, flags) are refused: with
# it allowed, two keys that look the same could differ. Variation selectors stay allowed: phones
# and macOS write them into ordinary names.
_ZERO_WIDTH = "\xad\u034f\u180e\u200b-\u200d\u2060-\u2065\ufeff\U0001d173-\U0001d17a"
_TAGS = "\U000e0000-\U000e007f"
_SURROGATE = "\ud800-\udfff"
# Never characters (Unicode 23.7); a listing's seek relies on U+10FFFF being in no key.
_NONCHARACTERS = "\ufdd0-\ufdef" + "".join(
    f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(17)
)

#: Every character that no name may hold (security.md rows 20 and 21).
FORBIDDEN = re.compile(f"[{_CONTROL}{_BIDI}{_ZERO_WIDTH}{_TAGS}{_SURROGATE}{_NONCHARACTERS}]")

_LABEL = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")


class InvalidName(ValueError):
    """A name that a client chose breaks a rule; the message says which and what to do."""


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
        raise InvalidKey(too_long("key", MAX_KEY_BYTES))
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidKey("The key is not UTF-8; percent-encode its UTF-8 bytes.") from None
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
    """Return the NFC prefix: a key that may be empty and may end in "/".

    Raises:
        InvalidKey: a rule of keys is broken.
    """
    if text.endswith("/"):
        return _within(object_key_text(text[:-1]) + "/", MAX_KEY_BYTES)
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


def _checked_key(text: str) -> str:
    if len(text) > MAX_UNNORMALISED_BYTES:
        raise InvalidKey(too_long("key", MAX_KEY_BYTES))
    key = unicodedata.normalize("NFC", text)
    if FORBIDDEN.search(key):  # surrogates too, so that encoding below cannot fail
        raise InvalidKey(characters("key"))
    for segment in _within(key, MAX_KEY_BYTES).split("/"):
        _check_segment(segment)
    return key


def _check_segment(segment: str) -> None:
    if segment in {"", ".", ".."}:
        raise InvalidKey('A segment of the key is empty, "." or ".."; remove or rename it.')
    # A backslash is a plain character here, but a Windows client that downloads by key takes it
    # for a separator.
    if "\\" in segment and ".." in segment.split("\\"):
        raise InvalidKey('The key holds ".." before or after a backslash; remove it.')
    if len(segment.encode()) > MAX_SEGMENT_BYTES:
        raise InvalidKey(too_long("segment of the key", MAX_SEGMENT_BYTES))


def _within(key: str, limit: int) -> str:
    if len(key.encode()) > limit:
        raise InvalidKey(too_long("key", limit))
    return key


def too_long(what: str, limit: int) -> str:
    """The sentence about a name that is too long."""
    return f"The {what} is longer than {limit} bytes of UTF-8; shorten it."


def characters(what: str) -> str:
    """The sentence about a name with forbidden characters."""
    return (
        f"The {what} holds control, bidirectional or zero-width characters; send it without them."
    )


def _label_rule(what: str) -> str:
    return (
        f"A {what} name is 3 to 63 characters of a-z, 0-9 and '-', and neither begins nor ends"
        " with '-'; choose one like that."
    )
