"""Lines for the operator: of the native runner, or of the gateway's first process."""

from __future__ import annotations

import os
import sys


class CannotRunError(Exception):
    """Wharf cannot start or go on; the message is one line for the operator."""


def log(line: str) -> None:
    """Prints a line. A terminal that was closed must not stop the orderly stop."""
    try:
        print(f"wharf: {line}", flush=True)
    except OSError:
        # Later prints, and the interpreter's own flush at exit, would fail again.
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
