"""CPU time of requests in the upload service's Python, without nginx and uWSGI.

Other load on the machine changes the result little: the command counts the CPU time of this
process, including threads that write logs and metrics, and reports the least of several rounds.

    python -m loadtests.hotpath [--rounds 7] [--requests 4000] [--json]
                                [--cases GET,PUT] [--traces http://127.0.0.1:4318]
                                [--database postgresql://user@host/empty]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtests.hotpath.cases import BUCKET, GRANTS, Case, Gateway


def microseconds(case: Case, requests: int, turn: int, gateway: Gateway) -> float:
    """Return the mean CPU time of a request of one kind in one round."""
    names = [f"{case.name.replace(' ', '-')}-{turn}-{number}" for number in range(requests)]
    case.prepare(names)
    begin = time.process_time()
    for name in names:
        case.ask(name)
    # Work that continues after the responses belongs to the requests.
    time.sleep(0.3)
    spent = time.process_time() - begin
    gateway.empty_spool()
    return spent / requests * 1e6


def measure(
    gateway: Gateway, wanted: Collection[str], requests: int, rounds: int
) -> dict[str, float]:
    """Return the least CPU time of each wanted kind of request over all rounds."""
    kinds = {case.name: case for case in gateway.cases()}
    chosen = {name: case for name, case in kinds.items() if not wanted or name in wanted}
    best = dict.fromkeys(chosen, float("inf"))
    for turn in range(rounds):
        for name, case in chosen.items():
            number = max(1, int(requests * case.share))
            best[name] = min(best[name], microseconds(case, number, turn, gateway))
    return best


def application(base: Path, traces: str, database: str) -> Gateway:
    """Return the gateway to a service on this folder; `traces` is the URL for spans, if any."""
    from servicekit import tracing
    from servicekit.database.migrating import upgrade
    from servicekit.testing import Issuer
    from tests.servers.upload import MIGRATIONS, assemble, settings_for
    from wharf_upload import timings

    data = base / "data"
    (data / "upload").mkdir(parents=True)
    database = database or f"sqlite:///{data / 'upload' / 'upload.db'}"
    upgrade(database, MIGRATIONS)
    issuer = Issuer()
    most = 10**9
    settings = settings_for(
        data,
        database_url=database,
        durability="relaxed",
        tenant_requests_per_minute=most,
        client_requests_per_minute=most,
    )
    service = assemble(settings, issuer)
    wsgi: tracing.WsgiApp = service.app.wsgi
    if traces:
        spans = timings.tracer = tracing.Tracing("upload", "0", traces)
        service.context.log.describe = spans.describe
        wsgi = tracing.traced(service.app.wsgi, spans)
    service.request("PUT", "/v1/buckets/default", BUCKET, {"Content-Type": "application/json"})
    return Gateway(
        wsgi,
        issuer.token(),
        issuer.token(grants=GRANTS),
        settings.spool_folder,
        service.context.receiving.admission.give_back,
    )


@contextmanager
def _folder_in_memory() -> Iterator[Path]:
    """Yield a data folder in memory, so that the disk does not count; discard log lines."""
    base = Path(tempfile.mkdtemp(prefix="wharf-hotpath-", dir="/dev/shm"))
    told = os.dup(2)
    try:
        (base / "metrics").mkdir()
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(base / "metrics")
        os.dup2(os.open(base / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
        yield base
    finally:
        os.dup2(told, 2)
        shutil.rmtree(base, ignore_errors=True)


def main() -> None:
    """Run the command."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--requests", type=int, default=4000)
    arguments.add_argument("--cases", default="", help="some of the kinds, by comma; default: all")
    arguments.add_argument("--json", action="store_true", help="print one object")
    arguments.add_argument("--traces", default="", help="where spans are sent (OTLP over HTTP)")
    arguments.add_argument("--database", default="", help="an empty one; SQLite in memory without")
    options = arguments.parse_args()
    wanted = [name for name in options.cases.split(",") if name]
    with _folder_in_memory() as base:
        found = measure(
            application(base, options.traces, options.database),
            wanted,
            options.requests,
            options.rounds,
        )
    if options.json:
        print(json.dumps(found))
    else:
        print("  ".join(f"{name} {value:.1f} us" for name, value in found.items()))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
