"""All types that Wharf can give a file, by its bytes or by the type that a client states for text.

The services auth and upload check new policies and tickets with this set; a test of upload compares
the set with the results of upload's sniffers. `application/octet-stream` is the type of unknown
bytes.
"""

from __future__ import annotations

from importlib import resources
from typing import Final

UNKNOWN: Final = "application/octet-stream"

FILE_TYPES: Final = frozenset(
    resources.files(__package__).joinpath("file_types.txt").read_text(encoding="utf-8").split()
)
