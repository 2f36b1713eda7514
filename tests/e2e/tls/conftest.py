"""A Wharf whose public port uses TLS, and curl for requests to it."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.servers.certificates import Certificate
from tests.servers.daemons import program
from tests.servers.ports import free_port
from tests.servers.wharf.instance import Wharf, running

# The gateway checks the minimum rate six times in a window.
WINDOW_SECONDS = 2
# The number of concurrent uploads that the tenant may have.
UPLOADS = 4
_SECONDS = 60


@dataclass(frozen=True)
class Answer:
    """A response that curl received; `sent` is the number of body bytes that curl sent."""

    status: int
    version: str
    sent: int
    fields: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Secured:
    """A Wharf, its certificate, its port for redirects, and a token of the tenant `demo`."""

    wharf: Wharf
    certificate: Certificate
    redirect_port: int
    token: str

    @property
    def url(self) -> str:
        """Return the address for clients."""
        return f"https://localhost:{self.wharf.port}"

    def curl(self, *words: str, url: str = "", data: bytes | None = None) -> Answer:
        """Send one request, and return its response."""
        process = self.start(*words, url=url, stdin=subprocess.PIPE)
        output, error = process.communicate(data, _SECONDS)
        assert process.returncode == 0, error.decode()
        return _parsed(output)

    def start(self, *words: str, url: str = "", stdin: int) -> subprocess.Popen[bytes]:
        """Start curl with one request; its output is the response and a line of statistics."""
        return subprocess.Popen(
            [
                *(program("curl"), "-sS", "-i", "--cacert", str(self.certificate.authority)),
                *("-w", "\n%{http_code} %{http_version} %{size_upload}"),
                *(*words, url if "://" in url else self.url + url),
            ],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    @property
    def bearer(self) -> tuple[str, str]:
        """Return curl's arguments for the token."""
        return ("-H", f"Authorization: Bearer {self.token}")


def parsed(process: subprocess.Popen[bytes]) -> Answer:
    """Wait for the end of a request that `start` has started, and return its response."""
    output, error = process.communicate(timeout=_SECONDS)
    assert process.returncode == 0, error.decode()
    return _parsed(output)


def _parsed(output: bytes) -> Answer:
    text, _, line = output.rpartition(b"\n")
    status, version, sent = line.decode().split()
    head, _, body = text.partition(b"\r\n\r\n")
    while b" 100" in head.partition(b"\r\n")[0]:
        head, _, body = body.partition(b"\r\n\r\n")
    pairs = (one.split(": ", 1) for one in head.decode().split("\r\n")[1:])
    fields = {name.lower(): value for name, value in pairs}
    return Answer(int(status), version, int(sent), fields, body)


@pytest.fixture(scope="package")
def secured() -> Iterator[Secured]:
    """Start one Wharf for all tests of TLS."""
    with tempfile.TemporaryDirectory(prefix="wharf-tls-") as folder:
        certificate = Certificate(Path(folder))
        redirect_port = free_port()
        with running(
            WHARF_TLS_CERTIFICATE=str(certificate.chain),
            WHARF_TLS_KEY=str(certificate.key),
            WHARF_REDIRECT_PORT=str(redirect_port),
            WHARF_HOSTS="files.localhost",
            WHARF_BODY_WINDOW_SECONDS=str(WINDOW_SECONDS),
            WHARF_TENANT_CONCURRENT_UPLOADS=str(UPLOADS),
        ) as wharf:
            without = Secured(wharf, certificate, redirect_port, "")
            yield Secured(wharf, certificate, redirect_port, _token(without))


def _token(secured: Secured) -> str:
    demo = secured.wharf.credentials("demo")
    user = f"{demo['client_id']}:{demo['client_secret']}"
    answer = secured.curl(
        *("-u", user, "-d", "grant_type=client_credentials"), url="/auth/oauth/token"
    )
    found: Any = json.loads(answer.body)
    return str(found["access_token"])
