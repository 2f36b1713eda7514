"""Metadata of a file: names and values that its owner chooses."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

MAX_CHARACTERS = 1024
"""The limit for one name, and for one value."""
_MAX_BYTES = 8 * 1024


class MetadataTooLarge(ValueError):
    """A name, a value or all of the metadata are larger than a file's row permits."""


def check(metadata: Mapping[str, str]) -> None:
    """Raise `MetadataTooLarge` if a name, a value or all of the metadata are too large."""
    for name, value in metadata.items():
        if max(len(name), len(value)) > MAX_CHARACTERS:
            raise MetadataTooLarge(
                f"each name and each value of metadata has at most {MAX_CHARACTERS} characters; "
                f"{name[:40]} or its value is longer."
            )
    if len(msgspec.json.encode(metadata)) > _MAX_BYTES:
        raise MetadataTooLarge(f"metadata takes at most {_MAX_BYTES} bytes of JSON.")
