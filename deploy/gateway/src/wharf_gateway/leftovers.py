"""Deletes files of an earlier run."""

from __future__ import annotations

import os


def remove_files(directory: str) -> None:
    """Delete every file below a directory; keep the directories."""
    for parent, _, names in os.walk(directory):
        for name in names:
            os.unlink(f"{parent}/{name}")
