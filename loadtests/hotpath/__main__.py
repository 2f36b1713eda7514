"""CPU time of a request in the upload service's Python, without nginx and uWSGI: `GET`, `PUT`.

Robust against other load on the machine: it counts the CPU time of this process, threads that write
logs and metrics included, and the least of some rounds stands.

    python -m loadtests.hotpath [--rounds 7] [--requests 4000] [--traces http://127.0.0.1:4318]
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

BODY = b"x" * 10_000


def environ_of(method: str, path: str, token: str, body: bytes = b"") -> dict[str, Any]:
    """What uWSGI makes of a request that nginx passes on."""
    return {
        "REQUEST_METHOD": method,
        "REQUEST_URI": path,
        "PATH_INFO": "/_direct",
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/octet-stream" if body else "",
        "CONTENT_LENGTH": str(len(body)) if body else "",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8080",
        "REMOTE_ADDR": "127.0.0.1",
        "REQUEST_SCHEME": "http",
        "REQUEST_ID": "0123456789abcdef0123456789abcdef",
        "TRACE_ID": "0123456789abcdef0123456789abcdef",
        "HTTP_AUTHORIZATION": f"Bearer {token}",
        "HTTP_HOST": "localhost:8080",
        "HTTP_USER_AGENT": "curl/8",
        "HTTP_ACCEPT": "*/*",
        "wsgi.input": BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": "http",
    }


def microseconds(requests: int, rounds: int, one: Callable[[int], None]) -> float:
    """The least CPU time of a request over all rounds."""
    best = float("inf")
    for _ in range(rounds):
        begin = time.process_time()
        for number in range(requests):
            one(number)
        # What is written behind the requests belongs to them.
        time.sleep(0.3)
        best = min(best, time.process_time() - begin)
    return best / requests * 1e6


def measure(base: Path, requests: int, rounds: int, traces: str) -> None:
    """Prints both numbers; `traces` is where spans are sent, empty for none."""
    from servicekit import tracing
    from servicekit.database.migrating import upgrade
    from servicekit.testing import Issuer
    from tests.servers.upload import MIGRATIONS, assemble, settings_for
    from wharf_upload import timings

    data = base / "data"
    (data / "upload").mkdir(parents=True)
    upgrade(f"sqlite:///{data / 'upload' / 'upload.db'}", MIGRATIONS)
    issuer = Issuer()
    most = 10**9
    settings = settings_for(
        data,
        durability="relaxed",
        tenant_requests_per_minute=most,
        client_requests_per_minute=most,
    )
    service = assemble(settings, issuer)
    application: tracing.WsgiApp = service.app.wsgi
    if traces:
        spans = timings.tracer = tracing.Tracing("upload", "0", traces)
        service.context.log.describe = spans.describe
        application = tracing.traced(service.app.wsgi, spans)
    token = issuer.token()

    def ask(method: str, path: str, wanted: str, body: bytes = b"") -> None:
        def start(status: str, _: object) -> None:
            if not status.startswith(wanted):
                raise SystemExit(f"{method} {path}: {status}")

        application(environ_of(method, path, token, body), start)

    service.request("PUT", "/v1/buckets/default", b"{}", {"Content-Type": "application/json"})
    ask("PUT", "/v1/files/default/one", "201", BODY)
    put = microseconds(
        requests // 4, rounds, lambda n: ask("PUT", f"/v1/files/default/{n}", "201", BODY)
    )
    get = microseconds(requests, rounds, lambda _: ask("GET", "/v1/files/default/one", "200"))
    print(f"GET {get:.1f} us  PUT {put:.1f} us", file=sys.stdout)


def main() -> None:
    """Runs it on data in memory, so that the disk does not count."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--requests", type=int, default=4000)
    arguments.add_argument("--traces", default="", help="where spans are sent (OTLP over HTTP)")
    options = arguments.parse_args()
    base = Path(tempfile.mkdtemp(prefix="wharf-hotpath-", dir="/dev/shm"))
    try:
        (base / "metrics").mkdir()
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(base / "metrics")
        # The log's lines go where nobody sees them.
        os.dup2(os.open(base / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
        measure(base, options.requests, options.rounds, options.traces)
    finally:
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    main()
