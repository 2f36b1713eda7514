"""Long work on large bodies, which occupies no thread that serves requests (ADR 62)."""

from __future__ import annotations

import base64
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.servers.wharf.api_client import LARGE, ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.multipart_body import CONTENT_TYPE, file_part, multipart_body
from tests.servers.wharf.raw_http import RawConnection, head, until
from tests.servers.wharf.tenants import Signer
from tests.servers.wharf.traces import traces

# This number exceeds the threads of the service
# (services/upload/uwsgi.ini: two processes with six threads each).
SENT = 14
LONG = os.urandom(9 << 20)
WRONG = f"Repr-Digest: sha-512=:{base64.b64encode(bytes(64)).decode()}:"


def mule_of(wharf: Wharf) -> int:
    """Return the id of the process for long work, which listens on the digest daemon's socket."""
    table = Path("/proc/net/unix").read_text(encoding="ascii").splitlines()
    address = f"{wharf.data}/run/follower.sock"
    sockets = {f"socket:[{line.split()[6]}]" for line in table if line.endswith(address)}
    for pid in wharf.processes("upload.log"):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with suppress(FileNotFoundError):
                if os.readlink(f"/proc/{pid}/fd/{name}") in sockets:
                    return pid
    raise AssertionError("nobody listens there")


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Stop a process while the context lasts, so that its work does not progress."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def large_put(api: ApiClient, number: int) -> bytes:
    """Return a PUT of a large file with a wrong digest."""
    bearer = f"Authorization: Bearer {api.token}"
    line = f"PUT /v1/files/default/{number} HTTP/1.1"
    return head(line, bearer, WRONG, "Connection: close", f"Content-Length: {len(LONG)}") + LONG


def large_form(api: ApiClient, number: int) -> bytes:
    """Return a form with a large file."""
    body = multipart_body(file_part(f"form-{number}", LONG))
    bearer, kind = f"Authorization: Bearer {api.token}", f"Content-Type: {CONTENT_TYPE}"
    line = "POST /v1/files/default HTTP/1.1"
    return head(line, bearer, kind, "Connection: close", f"Content-Length: {len(body)}") + body


def handed_over(wharf: Wharf, api: ApiClient) -> int:
    """Return how many requests of a tenant the service has handed over to the stream server."""
    lines = wharf.log_lines("upload")
    return sum(
        line["outcome"] == "handed-over" for line in lines if line.get("tenant") == api.tenant
    )


def test_long_work_keeps_nobody_waiting(wharf: Wharf, signer: Signer) -> None:
    """While a tenant's large bodies wait, other tenants can read and write.

    Afterwards each large body gets its response.
    """
    flooding, other = signer.client(), signer.client()
    assert other.put("before").status == 201
    with ExitStack() as stack:
        with stopped(mule_of(wharf)):
            waiting = [stack.enter_context(RawConnection(wharf.port)) for _ in range(SENT)]
            for number, connection in enumerate(waiting):
                send = large_form if number % 2 else large_put
                connection.send(send(flooding, number))
            assert until(lambda: handed_over(wharf, flooding) == SENT)
            assert other.file("before").status == 200
            assert other.put("small").status == 201
            assert other.put("larger", LARGE).status == 201
            assert set(other.listed()) == {"before", "small", "larger"}
        answers = [connection.answers()[-1] for connection in waiting]
    assert [answer.status for answer in answers] == [400, 201] * (SENT // 2)
    assert answers[0].slug == "digest-mismatch"
    assert sorted(flooding.listed()) == sorted(f"form-{n}" for n in range(1, SENT, 2))
    assert until(lambda: not traces(wharf, flooding.tenant).spool)
