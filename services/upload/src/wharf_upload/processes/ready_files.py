"""The files that tell the native runner that a process without uWSGI is ready."""

from __future__ import annotations

import os
from pathlib import Path


def write() -> None:
    """Write the files which say that this process is ready and handles TERM.

    uWSGI writes the same files. Without WHARF_READY_FILE, no runner waits for them.
    """
    mark = os.environ.get("WHARF_READY_FILE")
    if mark:
        for path in (mark, f"{mark}.term"):
            Path(path).write_text("ready\n", encoding="ascii")
