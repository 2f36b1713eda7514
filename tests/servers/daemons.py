"""Programs that serve a whole session of tests: start them, wait for them, and end them."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

_START_SECONDS = 60
_END_SECONDS = 10


def program(name: str) -> str:
    """Return the path of a program, or fail the test when it is not installed."""
    path = shutil.which(name, path="/usr/local/bin:/usr/bin:/usr/local/sbin:/usr/sbin:/bin:/sbin")
    if path is None:
        pytest.fail(f"{name} is not installed; `make test` installs it")
    return path


class Daemons:
    """Background processes whose output goes to files in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def start(self, name: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a background program, which the kernel kills when this process ends."""
        with self.said(name).open("wb") as output:
            process = subprocess.Popen(
                [program("setpriv"), "--pdeathsig", "KILL", *command],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self._running.append((name, process))
        return process

    def run(self, *command: str) -> str:
        """Run a program to its end and return its standard output."""
        done = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode:
            pytest.fail(f"{command[0]} ends with {done.returncode}: {done.stderr}")
        return done.stdout

    def said(self, name: str) -> Path:
        """Return the file with the output of a program."""
        return self.folder / f"{name}.output"

    def await_port(self, port: int) -> None:
        """Return when a program listens on the port."""
        self.wait_until(lambda: _listens(port), f"a listener on port {port}")

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Return when the condition is true. Fail when a program has ended or after the timeout."""
        deadline = time.monotonic() + _START_SECONDS
        while not condition():
            for name, process in self._running:
                if process.poll() is not None:
                    pytest.fail(f"{name} has ended: {self.said(name).read_text()[-2000:]}")
            if time.monotonic() > deadline:
                pytest.fail(f"there is not {what} after {_START_SECONDS} s in {self.folder}")
            time.sleep(0.02)

    def stop(self, patience: float = _END_SECONDS) -> None:
        """End all programs, the last one first. Each has `patience` seconds before it is killed."""
        for _, process in reversed(self._running):
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(patience)
            process.kill()
            process.wait()
        self._running.clear()


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
