"""Files that an earlier run left."""

from __future__ import annotations

import os


def remove_files(directory: str) -> None:
    """Removes every file below a directory; directories stay."""
    for parent, _, names in os.walk(directory):
        for name in names:
            os.unlink(f"{parent}/{name}")
