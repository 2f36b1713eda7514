"""The whole of Wharf under the process manager, for tests that kill and restart it
on the same data.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.servers.ports import free_ports
from wharf_native.survivors import survivors

ROOT = Path(__file__).parents[2]
_START_SECONDS, _STOP_SECONDS = 90, 60
_CHILDREN = ("nginx", "auth", "upload", "console", "live", "images")
_READY = "wharf: ready at"


class NativeWharf:
    """One installation of Wharf. The folder `data` stays when the processes end."""

    def __init__(self, base: Path, **settings: str) -> None:
        self.data, self._output = base / "data", base / "output"
        self._settings, self.port = settings, 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def _environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name[:6] != "WHARF_"}
        return {**kept, **self._settings, "WHARF_DATA": str(self.data)}

    def start(self) -> None:
        """Start Wharf on free ports and wait until it is ready."""
        self.port, metrics_port = free_ports()
        environ = {"WHARF_PORT": str(self.port), "WHARF_METRICS_PORT": str(metrics_port)}
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "wharf_native", "run"],
                env={**self._environ, **environ},
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + _START_SECONDS
        while _READY not in self._output.read_text():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                pytest.fail(f"Wharf does not start:\n{self._output.read_text()}")
            time.sleep(0.05)

    def processes(self) -> list[int]:
        """Return the ids of all processes except the process manager."""
        return survivors(str(self.data / "log" / f"{name}.log") for name in _CHILDREN)

    def kill(self) -> None:
        """Kill all processes with SIGKILL, the process manager first so
        that it restarts nothing.
        """
        if self._process is None:
            return
        self._process.kill()
        deadline = time.monotonic() + _STOP_SECONDS
        while pids := self.processes():
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            assert time.monotonic() < deadline, "processes survive kill -9"
            time.sleep(0.01)
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        """Stop Wharf as an operator does."""
        assert self._process is not None
        self._process.terminate()
        assert self._process.wait(_STOP_SECONDS) == 0, self._output.read_text()
        self._process = None

    def token(self) -> str:
        """Return an access token of the demo client."""
        credentials = json.loads((self.data / "credentials.json").read_text())["demo"]
        basic = f"{credentials['client_id']}:{credentials['client_secret']}".encode()
        status, body = self.request(
            "POST",
            "/auth/oauth/token",
            urlencode({"grant_type": "client_credentials"}).encode(),
            {
                "Authorization": f"Basic {base64.b64encode(basic).decode()}",
                "Content-Type": "application/x-www-form-urlencoded",
            },
        )
        assert status == 200, body
        token: str = json.loads(body)["access_token"]
        return token

    def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Send one request on a separate connection. Raise `OSError` when the connection breaks."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, dict(headers or {}))
            reply = connection.getresponse()
            return reply.status, reply.read()
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `wharf-upload` on the same data."""
        program = Path(sys.executable).parent / "wharf-upload"
        return subprocess.run(
            [str(program), *arguments],
            env=self._environ,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
