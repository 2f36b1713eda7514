"""Log lines and errors for the operator, from the native runner and the gateway's first process."""

from __future__ import annotations

import os
import sys


class CannotRunError(Exception):
    """An error that keeps Wharf from starting or running; the message is one line for people."""


def log(line: str) -> None:
    """Print a line; ignore errors, so that Wharf stops cleanly after its terminal was closed."""
    try:
        print(f"wharf: {line}", flush=True)
    except OSError:
        # Later prints, and the interpreter's flush at exit, would fail again.
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
