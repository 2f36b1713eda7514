"""Cross-origin requests (row 66): the refusals that nginx makes itself, without the service."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from email.message import Message
from pathlib import Path

import pytest

from tests.e2e.cross_origin import BUCKET, EVIL, GOOD, bucket_of, check
from tests.servers.nginx_pid import nginx_pid
from tests.servers.wharf.api_client import LARGE, SMALL, ApiClient
from tests.servers.wharf.instance import Wharf, running
from tests.servers.wharf.raw_http import RawConnection, exchange, head, until
from tests.servers.wharf.tenants import Signer

CAP, CONNECTIONS = 3_000_000, 12


@pytest.fixture(scope="module")
def fragile() -> Iterator[Wharf]:
    """Start a Wharf with a global size limit, which the tests stop and flood."""
    with running(
        WHARF_MAX_BODY_BYTES=str(CAP),
        WHARF_ADDRESS_CONNECTIONS=str(CONNECTIONS),
        WHARF_BODY_TIMEOUT_SECONDS="2",
    ) as found:
        yield found


@pytest.fixture
def client(fragile: Wharf) -> ApiClient:
    """Return a client whose bucket lists one origin, after the gateway has asked about
    all origins.
    """
    found = bucket_of(Signer(fragile).client())
    for origin in (GOOD, *EVIL[:5]):
        refused = {"Origin": origin, "Content-Length": str(CAP + 1)}
        assert found.request("PUT", f"/v1/files/{BUCKET}/x", headers=refused).status == 413
    return found


ORIGINS = [GOOD, *EVIL[:5]]


def refusal(fragile: Wharf, origin: str, line: str, *more: str, body: bytes = b"") -> Message:
    """Return the header of the only response to a raw request."""
    (answer,) = exchange(fragile.port, head(line, f"Origin: {origin}", *more) + body)
    assert answer.slug, answer.body
    assert answer.status == int(answer.json()["status"])
    return answer.headers


@pytest.mark.parametrize("origin", ORIGINS)
def test_lengths(fragile: Wharf, client: ApiClient, origin: str) -> None:
    """Only the listed origin can read nginx's own 411 and 413, sent before or within a body."""
    line, bearer = f"PUT /v1/files/{BUCKET}/x HTTP/1.1", f"Authorization: Bearer {client.token}"
    chunks = (b"%x\r\n%b\r\n" % (100_000, b"x" * 100_000)) * (CAP // 100_000 + 2)
    for more, body in (
        (("Connection: close",), b""),
        (("Content-Length: 999999999999",), b""),
        ((bearer, "Transfer-Encoding: chunked"), chunks),
        ((bearer, "Transfer-Encoding: gzip"), b""),
    ):
        check(refusal(fragile, origin, line, *more, body=body), origin)
    for target in ("/v1/uploads", "/v1/uploads/absent"):
        more = ("Content-Length: 999999999999", "Connection: close")
        check(refusal(fragile, origin, f"POST {target} HTTP/1.1", *more), origin)


@pytest.mark.parametrize("origin", ORIGINS)
def test_waiting_clients(fragile: Wharf, client: ApiClient, origin: str) -> None:
    """Only the listed origin can read the refusal of a request that waits for `100 Continue`."""
    more = ("Content-Length: 200000", "Expect: 100-continue", "Connection: close")
    request = head(f"PUT /v1/files/{BUCKET}/x HTTP/1.1", f"Origin: {origin}", *more)
    (answer,) = exchange(fragile.port, request)
    assert answer.status == 401
    check(answer.headers, origin)


def test_a_slow_body_gets_no_answer(fragile: Wharf, client: ApiClient) -> None:
    """nginx closes the connection of a body that stalls, without a 408 that a page could read."""
    bearer = f"Authorization: Bearer {client.token}"
    fields = (f"Origin: {GOOD}", bearer, "Content-Length: 200000")
    answers = exchange(fragile.port, head(f"PUT /v1/files/{BUCKET}/x HTTP/1.1", *fields) + b"x")
    assert [answer.status for answer in answers] == []


@pytest.mark.parametrize("origin", ORIGINS)
def test_floods(fragile: Wharf, client: ApiClient, origin: str) -> None:
    """Only the listed origin can read nginx's own 429."""
    bearer = f"Authorization: Bearer {client.token}"
    slow = head(f"PUT /v1/files/{BUCKET}/x HTTP/1.1", bearer, "Content-Length: 200000") + b"x"
    asked = (f"GET /v1/files/{BUCKET}/x HTTP/1.1", f"Origin: {origin}", "Connection: close")

    def flooded() -> bool:
        with ExitStack() as held:
            for _ in range(CONNECTIONS + 4):
                held.enter_context(RawConnection(fragile.port)).send(slow)
            (found,) = exchange(fragile.port, head(*asked))
        if found.status == 429:
            check(found.headers, origin)
        return found.status == 429

    assert until(flooded)
    assert until(lambda: client.get("/readyz").status == 200)


@contextmanager
def impatient(wharf: Wharf) -> Iterator[None]:
    """Make the gateway wait for the service only one second instead of a minute."""
    path = wharf.data / "run" / "nginx" / "snippets" / "small_body.conf"
    before = path.read_text()
    master = nginx_pid(wharf.data / "run/nginx")

    def reloaded(text: str) -> None:
        old = children(master)
        path.write_text(text)
        os.kill(master, signal.SIGHUP)
        assert until(lambda: children(master) and not old & children(master))

    reloaded(re.sub(r"uwsgi_read_timeout \d+s", "uwsgi_read_timeout 1s", before))
    try:
        yield
    finally:
        reloaded(before)


def children(pid: int) -> set[int]:
    """Return the ids of the process's children that are nginx workers."""
    found = set()
    for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with suppress(OSError):
            if "worker process" in Path(f"/proc/{text}/cmdline").read_text():
                found.add(int(text))
    return found


def test_a_service_that_hangs(fragile: Wharf, client: ApiClient) -> None:
    """Only the listed origin can read the 504 that nginx sends for a hanging service."""
    bearer = {"Authorization": f"Bearer {client.token}"}
    with impatient(fragile), fragile.standing_still("upload"):
        for origin in (GOOD, EVIL[0]):
            headers = {**bearer, "Origin": origin}
            answer = client.file("x", headers, BUCKET)
            assert answer.status == 504
            check(answer.headers, origin)
    assert until(lambda: client.get("/readyz").status == 200)


def test_a_dead_service(fragile: Wharf, client: ApiClient) -> None:
    """While `upload` is down, only the listed origin can read the 503 of uploads and downloads."""
    os.kill(fragile.process.pid, signal.SIGSTOP)
    try:
        for pid in fragile.processes("upload"):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        # The test removes the sockets that the process manager keeps. Otherwise the requests would
        # wait in these sockets for the next process.
        for name in ("upload.sock", "receiver.sock"):
            (fragile.data / "run" / name).unlink()
        for origin in ORIGINS:
            headers = {"Origin": origin}
            for answer in (
                client.put("x", SMALL, headers, BUCKET),
                client.put("x", LARGE, headers, BUCKET),
                client.file("x", headers, BUCKET),
            ):
                assert answer.status == 503
                check(answer.headers, origin)
    finally:
        os.kill(fragile.process.pid, signal.SIGCONT)
    assert until(lambda: client.get("/readyz").status == 200, 60)
