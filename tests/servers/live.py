"""A real live channel: `wharf-upload live` on a port, with keys of the test and without a gateway.

In an installation the mule of the upload service writes a file of keys and a file of revocations.
Here the test writes both files.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import httpx
import pytest

from servicekit.database import open_database
from servicekit.testing import ISSUER, Issuer
from tests.servers.ports import free_port
from tests.servers.upload import copy_database, new_file
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.events import Event
from wharf_upload.domain.file_writes import Write
from wharf_upload.http.event_cursors import cursor_of
from wharf_upload.notices.places import socket_place
from wharf_upload.notices.sender import open_sender

COMMAND = Path(sys.executable).parent / "wharf-upload"
START_SECONDS = 30
# The file of revocations gets a time in the future. No program renews the file here, and otherwise
# the file would soon be too old for the process.
_FAR_AHEAD_SECONDS = 86_400


@dataclass
class LiveProcess:
    """The process, its data, and the changes that a test makes."""

    data: Path
    issuer: Issuer
    settings: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    _entries: list[dict[str, object]] = field(default_factory=list)
    _count: int = 0

    def __post_init__(self) -> None:
        """Open the records, and write the files of keys and revocations without an entry."""
        place = socket_place(self.data / "run" / "notices.sock")
        self.records = SqlRecords(
            open_database(f"sqlite:///{self.data / 'upload' / 'upload.db'}", durable=False),
            has_events=open_sender(place).changed,
        )
        keys = {"keys": [self.issuer.public_jwk()]}
        (self.data / "upload" / "jwks.json").write_text(json.dumps(keys))
        self._write_feed()

    @property
    def url(self) -> str:
        """Return the URL of the process."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """Return all log lines so far."""
        return (self.data / "live.log").read_text(errors="replace")

    def start(self) -> None:
        """Start the process and wait until it accepts connections."""
        environ = {
            **os.environ,
            "WHARF_DATA": str(self.data),
            "WHARF_ISSUER": ISSUER,
            "WHARF_LIVE_SOCKET": f"127.0.0.1:{self.port}",
            "PYTHONWARNINGS": "error",
            "WHARF_DRAIN_SECONDS": "1",
            **self.settings,
        }
        log: IO[bytes]
        with (self.data / "live.log").open("ab") as log:
            self.process = subprocess.Popen([COMMAND, "live"], env=environ, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            if time.monotonic() > deadline or self.process.poll() is not None:
                pytest.fail(f"the live channel does not start:\n{self.log}")
            time.sleep(0.05)

    def kill(self) -> None:
        """Kill the process, as in a crash."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> int:
        """Ask the process to end and return its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(START_SECONDS)

    def token(self, **claims: Any) -> str:
        """Return a token with which a client receives all events. `claims` replace its claims."""
        return self.issuer.token(**{"scope": "events:read files:read", **claims})

    def store(self, count: int = 1, **changes: object) -> list[str]:
        """Write `count` rows of files and return the cursors of the tenant's `count` newest events,
        oldest first.
        """
        tenant = str(changes.get("tenant", "demo"))
        for _ in range(count):
            self._count += 1
            self.records.write(Write(files=(new_file(f"file-{self._count}", **changes),)))  # type: ignore[arg-type]
        newest = self.records.events_before(tenant, 1 << 62, count)
        return [cursor_of(tenant, event.seq) for event in reversed(newest)]

    def events(self, tenant: str = "demo") -> list[Event]:
        """Return all events of a tenant."""
        return self.records.events(tenant, 0, 100_000)

    def cursors(self, tenant: str = "demo") -> list[str]:
        """Return the cursors of all events of a tenant."""
        return [cursor_of(tenant, event.seq) for event in self.events(tenant)]

    def revoke(self, **entry: object) -> None:
        """Add an entry to the file of revocations."""
        self._entries.append({"seq": len(self._entries) + 1, **entry})
        self._write_feed()

    def _write_feed(self) -> None:
        path = self.data / "upload" / "revocations.jsonl"
        page = {"entries": self._entries, "latest": len(self._entries)}
        path.with_suffix(".new").write_text(json.dumps(page) + "\n")
        path.with_suffix(".new").replace(path)
        ahead = time.time() + _FAR_AHEAD_SECONDS
        os.utime(path, (ahead, ahead))

    def metric(self, name: str) -> float:
        """Return a sample by its full name with labels, or 0 if there is no such sample."""
        for line in httpx.get(f"{self.url}/metrics").text.splitlines():
            if line.startswith(f"{name} "):
                return float(line.rpartition(" ")[2])
        return 0.0


@contextmanager
def running_live(
    template: Path,
    folder: Path,
    issuer: Issuer,
    settings: Mapping[str, str] | None = None,
    *,
    port: int = 0,
) -> Iterator[LiveProcess]:
    """Yield the process on separate data and kill it afterwards. If `port` is 0, the
    process gets a free port.
    """
    data = folder / "data"
    copy_database(template, data)
    live = LiveProcess(data, issuer, settings or {}, port or free_port())
    try:
        live.start()
        yield live
    finally:
        live.kill()
        live.records.database.close()
