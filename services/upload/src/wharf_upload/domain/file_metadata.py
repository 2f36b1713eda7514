"""What people and programs note of a file: names and values of their own."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

MAX_CHARACTERS = 1024
"""Of one name, and of one value."""
_MAX_BYTES = 8 * 1024


class MetadataTooLarge(ValueError):
    """A name, a value or all of them together are larger than a file's record takes."""


def check(metadata: Mapping[str, str]) -> None:
    """Raise `MetadataTooLarge`."""
    for name, value in metadata.items():
        if max(len(name), len(value)) > MAX_CHARACTERS:
            raise MetadataTooLarge(
                f"a name and a value of metadata have at most {MAX_CHARACTERS} characters; that of "
                f"{name[:40]} is longer."
            )
    if len(msgspec.json.encode(metadata)) > _MAX_BYTES:
        raise MetadataTooLarge(f"metadata takes at most {_MAX_BYTES} bytes of JSON.")
