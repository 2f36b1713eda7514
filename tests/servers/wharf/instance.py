"""A real Wharf: all its processes under the process manager, on free ports."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.servers.ports import free_ports

START_SECONDS = 90
STOP_SECONDS = 60
ROOT = Path(__file__).parents[3]
# The beginning of the last line that the process manager prints when everything is ready.
_READY = "\ncurl -f -H"
_SETTINGS = {
    "WHARF_DURABILITY": "relaxed",
    # The sweeper removes nothing while tests inspect the files.
    "WHARF_DELETED_GRACE_SECONDS": "86400",
    "WHARF_ADMIN_REQUESTS_PER_MINUTE": "100000",
    "WHARF_DRAIN_SECONDS": "5",
}


class Wharf:
    """One running Wharf. `port` is the public one, `metrics_port` the internal one."""

    def __init__(
        self, data: Path, output: Path, process: subprocess.Popen[bytes], instance: str = ""
    ) -> None:
        """Store the parts. `instance` is the name of this Wharf among those on the same data."""
        self.data, self.output, self.process = data, output, process
        self.port = self.metrics_port = 0
        own = f"-{instance}" if instance else ""
        self._log, self._run = data / f"log{own}", data / f"run{own}"

    @property
    def url(self) -> str:
        """Return the URL for clients."""
        return f"http://127.0.0.1:{self.port}"

    def credentials(self, name: str) -> dict[str, str]:
        """Return an entry of credentials.json, for example the id and the secret of a client."""
        found: dict[str, dict[str, str]] = json.loads(
            (self.data / "credentials.json").read_text(encoding="utf-8")
        )
        return found[name]

    def log(self, name: str) -> str:
        """Return the log of a program so far. `access` is the gateway's access log."""
        path = self._log / f"{name}.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def log_lines(self, name: str) -> list[dict[str, Any]]:
        """Return the JSON objects in the complete lines of a program's log."""
        lines = self.log(name).rpartition("\n")[0].splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def processes(self, name: str = "") -> list[int]:
        """Return the ids of the processes whose output goes to a log that begins with `name`."""
        wanted = f"{self._log}/{name}"
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    output = os.readlink(f"/proc/{entry}/fd/1")
                except OSError:
                    continue
                if output.startswith(wanted):
                    found.append(int(entry))
        return found

    @contextmanager
    def standing_still(self, name: str) -> Iterator[None]:
        """Suspend all processes of a program, with all their threads, during the block."""
        found = self.processes(name)
        assert found
        for pid in found:
            os.kill(pid, signal.SIGSTOP)
        try:
            # One thread gets the signal and stops the others, which takes a while on a busy
            # machine.
            deadline = time.monotonic() + STOP_SECONDS
            while not all(map(_stands_still, found)):
                assert time.monotonic() < deadline, "a stopped process goes on"
                time.sleep(0.01)
            yield
        finally:
            for pid in found:
                os.kill(pid, signal.SIGCONT)

    def stop(self) -> None:
        """Stop Wharf as an operator does, and check that no process and no socket is left."""
        self.process.terminate()
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()  # its children end with it
            self.process.wait()
            raise AssertionError(f"Wharf did not stop:\n{self.output.read_text()}") from None
        assert code == 0, self.output.read_text()
        assert self.processes() == []
        left = _sockets(self._run)
        assert left == [], left

    def kill(self) -> None:
        """Kill all processes with SIGKILL, the process manager first so
        that it restarts nothing.
        """
        self.process.kill()
        self.process.wait(STOP_SECONDS)
        deadline = time.monotonic() + STOP_SECONDS
        while pids := self.processes():
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            assert time.monotonic() < deadline, "processes survive kill -9"
            time.sleep(0.01)


def _stands_still(pid: int) -> bool:
    # The state follows the name in brackets.
    states = (path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat"))
    return all(text.rpartition(")")[2].split()[0] in "TZ" for text in states)


def _sockets(data: Path) -> list[str]:
    """Return the sockets and pid files, which would look like a running Wharf."""
    return [
        str(path)
        for path in data.rglob("*")
        if path.suffix == ".pid" or stat.S_ISSOCK(path.lstat().st_mode)
    ]


@contextmanager
def running(data: Path | None = None, **settings: str) -> Iterator[Wharf]:
    """Yield a Wharf with these `WHARF_…` settings, and stop and check it afterwards.

    `data` is its WHARF_DATA, which is kept. Without `data`, Wharf gets a temporary folder.
    """
    base = Path(tempfile.mkdtemp(prefix="wharf-e2e-"))
    try:
        wharf = start(base, data or base / "data", settings)
        try:
            yield wharf
        finally:
            wharf.stop()
    finally:
        shutil.rmtree(base, ignore_errors=True)


def start(base: Path, data: Path, settings: dict[str, str]) -> Wharf:
    """Start a Wharf with its output in the folder `base`. The caller must stop it."""
    port, metrics_port = free_ports()
    if not data.exists() and "WHARF_DATABASE_URL" not in settings:
        shutil.copytree(_migrated(), data)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WHARF_")}
    environ = {
        **kept,
        **_SETTINGS,
        "WHARF_PORT": str(port),
        "WHARF_METRICS_PORT": str(metrics_port),
        "WHARF_DATA": str(data),
        **settings,
    }
    with (base / "output").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "wharf_native", "run"],
            env=environ,
            cwd=ROOT,
            stdout=output,
            stderr=output,
        )
    wharf = Wharf(data, base / "output", process, settings.get("WHARF_INSTANCE", ""))
    wharf.port, wharf.metrics_port = int(environ["WHARF_PORT"]), metrics_port
    _await_ready(wharf)
    return wharf


@cache
def _migrated() -> Path:
    """Return data with only the tables of this version, for all first starts of a session.

    Otherwise each start would make the tables with Alembic, which takes a second. `.ci/smoke`
    begins without tables, as an operator does.
    """
    data = Path(tempfile.mkdtemp(prefix="wharf-migrated-"))
    atexit.register(shutil.rmtree, data, ignore_errors=True)
    for name in ("auth", "upload"):
        subprocess.run(
            [Path(sys.executable).with_name(f"wharf-{name}"), "migrate"],
            env={"WHARF_DATA": str(data), "PATH": os.environ["PATH"]},
            check=True,
            capture_output=True,
        )
    return data


def _await_ready(wharf: Wharf) -> None:
    deadline = time.monotonic() + START_SECONDS
    while _READY not in wharf.output.read_text():
        if wharf.process.poll() is not None or time.monotonic() > deadline:
            wharf.process.terminate()
            wharf.process.wait(STOP_SECONDS)
            pytest.fail(f"Wharf does not start:\n{wharf.output.read_text()}")
        time.sleep(0.05)
