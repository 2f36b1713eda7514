"""The header field `Upload-Metadata` of tus (tus 1.0.0, extension Creation).

The field is a list of pairs of a name and a base64 value.
"""

from __future__ import annotations

import base64
import binascii
import re

_NAME = re.compile(r"[!-+\-./0-~]{1,128}\Z")
MAX_CHARACTERS = 8 * 1024


class MalformedMetadata(ValueError):
    """The header field is not a list of names and base64 values."""


def parse(field: str | None) -> dict[str, str]:
    """Return the pairs; a name without a value has the value "". Raises `MalformedMetadata`."""
    if not field:
        return {}
    if len(field) > MAX_CHARACTERS:
        raise MalformedMetadata(f"Upload-Metadata takes at most {MAX_CHARACTERS} characters.")
    found: dict[str, str] = {}
    for pair in field.split(","):
        name, _, value = pair.strip().partition(" ")
        if not _NAME.match(name):
            raise MalformedMetadata(
                "Upload-Metadata: a name is empty or contains a space or a comma."
            )
        if name in found:
            raise MalformedMetadata(f"Upload-Metadata: the name {name} occurs twice.")
        try:
            found[name] = base64.b64decode(value.strip(), validate=True).decode()
        except (binascii.Error, ValueError):  # not base64, not ASCII, or not UTF-8
            raise MalformedMetadata(
                f"Upload-Metadata: the value of {name} is not base64 of UTF-8."
            ) from None
    return found
