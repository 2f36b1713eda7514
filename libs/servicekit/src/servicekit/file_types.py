"""Every type that a file can be found to have, by its bytes or by what a client says of text.

Policies and tickets are judged by it when they are made, in both services; a test of upload
compares it with what its sniffers can return. `application/octet-stream` stands for unknown bytes.
"""

from __future__ import annotations

from importlib import resources
from typing import Final

UNKNOWN: Final = "application/octet-stream"

FILE_TYPES: Final = frozenset(
    resources.files(__package__).joinpath("file_types.txt").read_text(encoding="utf-8").split()
)
