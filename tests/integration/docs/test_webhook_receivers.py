"""The receivers of docs/webhooks.md run exactly as the page shows them."""

from __future__ import annotations

import http.client
import os
import re
import secrets
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.live_clients import NODE
from tests.servers.ports import free_port
from tests.servers.wharf.raw_http import until
from wharf_upload.webhooks.signing import signature

_ROOT = Path(__file__).parents[3]
_PAGE = (_ROOT / "docs/webhooks.md").read_text()


@dataclass
class Receiver:
    """A running receiver, and its signing key."""

    port: int
    key: bytes
    output: Path

    def send(
        self,
        name: str,
        body: bytes = b'{"type": "dev.wharf.file.created"}',
        *,
        keys: tuple[bytes, ...] = (),
        late_seconds: int = 0,
        signed: bytes | None = None,
    ) -> int:
        """Send a request as Wharf does; return the status."""
        at = int(time.time()) - late_seconds
        fields = {
            "content-type": "application/cloudevents+json",
            "webhook-id": name,
            "webhook-timestamp": str(at),
            "webhook-signature": signature(
                keys or (self.key,), name, at, body if signed is None else signed
            ),
        }
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("POST", "/wharf", body, fields)
        status = connection.getresponse().status
        connection.close()
        return status

    def events(self) -> list[str]:
        """Return the ids of the events that the program has reported as new."""
        return re.findall(r"new event (\S+)", self.output.read_text())


@contextmanager
def _running(language: str, folder: Path) -> Iterator[Receiver]:
    (program,) = re.findall(rf"^```{language}\n(.*?)^```$", _PAGE, re.MULTILINE | re.DOTALL)
    script = folder / {"js": "receiver.mjs", "python": "receiver.py"}[language]
    script.write_text(program)
    command: Path | str = NODE if language == "js" else sys.executable
    key, port = secrets.token_bytes(32), free_port()
    environ = {**os.environ, "SECRET": f"whsec_{b64encode(key).decode()}", "PORT": str(port)}
    output = folder / "output"
    with output.open("w") as file:
        process = subprocess.Popen(
            [str(command), str(script)], env=environ, cwd=folder, stdout=file, stderr=file
        )
    receiver = Receiver(port, key, output)
    try:
        assert until(lambda: _answers(receiver))
        yield receiver
    finally:
        process.kill()
        process.wait()


def _answers(receiver: Receiver) -> bool:
    try:
        receiver.send("none", signed=b"another body")
    except OSError:
        return False
    return True


@pytest.fixture(params=["python", "js"])
def receiver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Receiver]:
    """Run a receiver of the page."""
    with _running(request.param, tmp_path) as running:
        yield running


def test_signed_requests(receiver: Receiver) -> None:
    """A receiver accepts signed requests, and keeps an event that arrives twice once."""
    for name in ("acme.1", "acme.2", "acme.1"):
        assert receiver.send(name) == 204
    assert until(lambda: len(receiver.events()) == 2)
    assert receiver.events() == ["acme.1", "acme.2"]


def test_a_rotation(receiver: Receiver) -> None:
    """A receiver accepts a request if one of its signatures is right."""
    other = secrets.token_bytes(32)
    assert receiver.send("acme.1", keys=(other, receiver.key)) == 204
    assert receiver.send("acme.2", keys=(receiver.key, other)) == 204
    assert receiver.send("acme.3", keys=(other,)) == 400


def test_forged_requests(receiver: Receiver) -> None:
    """A receiver refuses a changed body, a request of another time, and one of another key."""
    assert receiver.send("acme.1", signed=b"another body") == 400
    for late in (-400, 400):
        assert receiver.send("acme.1", late_seconds=late) == 400
    assert receiver.send("acme.1", keys=(b"\0" * 32,)) == 400
    assert receiver.events() == []
    assert receiver.send("acme.1") == 204
