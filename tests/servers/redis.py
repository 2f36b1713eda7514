"""A Redis server of the tests, on a unix socket."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

_START_SECONDS = 20


class RedisServer:
    """One server that can be stopped, started and frozen."""

    def __init__(self, directory: Path) -> None:
        found = shutil.which("redis-server")
        if found is None:
            pytest.fail("redis-server is not installed; `make test` installs it")
        self._binary, self._directory = found, directory
        self._socket = directory / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        """Return the URL in the form that `limits` accepts."""
        return f"redis+unix://{self._socket}"

    def start(self) -> None:
        """Start an empty server and wait until it responds."""
        self._process = subprocess.Popen(
            [self._binary, "--port", "0", "--unixsocket", str(self._socket), "--save", ""],
            cwd=self._directory,
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                pytest.fail("redis-server does not start")
            time.sleep(0.02)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(str(self._socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
            except OSError:
                return False

    def freeze(self) -> None:
        """Suspend the process. It accepts connections, but does not respond until `thaw`."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the process continue after `freeze`."""
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Kill the server. Its content is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """Yield a running server for the whole session. A test that stops or freezes the server must
    make it run again.
    """
    directory = Path(tempfile.mkdtemp(prefix="wharf-redis-"))
    server = RedisServer(directory)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def redis_url(redis_server: RedisServer) -> str:
    """Return the URL of a Redis that all tests of the session share. A test uses its own keys."""
    return redis_server.url
