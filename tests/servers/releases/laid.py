"""Functions that read the data that an earlier release made with its own code, and prepare
the data for a newer release.

`make.py` made the folders next to this file, one for each release.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
RELEASES = sorted(path.parent.name for path in FOLDER.glob("*/facts.json"))
DATABASES = ("auth/auth.db", "upload/upload.db")
# Public secrets, which open only the data of this test.
CREDENTIALS = {
    "admin": {
        "client_id": "wharf-admin",
        "client_secret": "known-to-everybody-admin-0123456789-abcdefghij",
    },
    "demo": {
        "client_id": "wharf-demo",
        "client_secret": "known-to-everybody-demo-0123456789-abcdefghijk",
        "tenant": "demo",
    },
}
# Columns with times that would have expired by now: in seconds and in milliseconds.
_SECONDS = {"auth/auth.db": {"revocations": ("until",)}}
_MILLISECONDS = {
    "auth/auth.db": {
        "sessions": ("created_at", "used_at", "expires_at"),
        "refresh_tokens": ("created_at",),
    },
    "upload/upload.db": {
        "uploads": ("created_at", "expires_at"),
        "ticket_uses": ("expires_at",),
        "idempotency": ("created_at",),
        "events": ("at",),
        "doomed": ("doomed_at",),
    },
}


def facts(release: str) -> dict[str, Any]:
    """Return the facts that `make.py` recorded about the data: names, addresses and digests."""
    found: dict[str, Any] = json.loads((FOLDER / release / "facts.json").read_text("utf-8"))
    return found


def lay(release: str, data: Path) -> None:
    """Make a WHARF_DATA from the data of a release, and move the times that have expired by now."""
    source = FOLDER / release
    shutil.copytree(source / "files", data)
    for name in DATABASES:
        (data / name).parent.mkdir(exist_ok=True)
    for path in [data, *data.rglob("*")]:
        path.chmod(0o700 if path.is_dir() else 0o600)
    write_credentials(data)
    passed = int(time.time()) - facts(release)["made_at"]
    for name in DATABASES:
        connection = sqlite3.connect(data / name)
        connection.executescript((source / f"{Path(name).name}.sql").read_text("utf-8"))
        _move(connection, _SECONDS.get(name, {}), passed)
        _move(connection, _MILLISECONDS.get(name, {}), passed * 1000)
        connection.commit()
        connection.close()
    _move_heard(data / "upload" / "revocations.jsonl", passed)


def write_credentials(data: Path) -> None:
    """Write the file in which an operator sets the secrets of the first clients."""
    path = data / "credentials.json"
    path.write_text(json.dumps(CREDENTIALS), encoding="utf-8")
    path.chmod(0o600)


def _move(
    connection: sqlite3.Connection, tables: Mapping[str, tuple[str, ...]], passed: int
) -> None:
    for table, columns in tables.items():
        for column in columns:
            connection.execute(f"UPDATE {table} SET {column} = {column} + ?", (passed,))


def _move_heard(path: Path, passed: int) -> None:
    """Move the times in upload's copy of the feed, which has one page on each line."""
    lines = []
    for line in path.read_text("utf-8").splitlines():
        page = json.loads(line)
        for entry in page["entries"]:
            if entry["until"] is not None:
                entry["until"] += passed
        lines.append(json.dumps(page))
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
