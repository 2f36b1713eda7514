"""`make load`: a headless run of locust with a shape and a report, set by the environment.

`SHAPE`, `HOST`, `CREDENTIALS` and `REPORT` become options of locust. Arguments follow them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

LOCUSTFILE = Path(__file__).resolve().parents[1] / "locustfile.py"


def command(environ: Mapping[str, str], arguments: Sequence[str]) -> list[str]:
    """Return the command line of locust."""
    shape = environ.get("SHAPE") or environ.get("WHARF_LOAD_SHAPE") or "average"
    data = Path(environ.get("WHARF_DATA") or "var")
    report = environ.get("REPORT") or str(data / "load" / f"{shape}.html")
    named = {
        "--host": environ.get("HOST"),
        "--credentials": environ.get("CREDENTIALS"),
        "--shape": shape,
        "--html": report,
        "--loglevel": "WARNING",
        "--stop-timeout": "60",
    }
    given = [f"{option}={value}" for option, value in named.items() if value]
    return [
        *(sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--only-summary"),
        *given,
        *arguments,
    ]


if __name__ == "__main__":
    line = command(os.environ, sys.argv[1:])
    os.execv(line[0], line)
