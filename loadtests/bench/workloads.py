"""The workloads. Each one is measured on a new server, without the data of other workloads."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from loadtests.bench import small, ways
from loadtests.bench.balance import balanced
from loadtests.bench.machine import GIB, MIB, Use, warm_memory, watched
from loadtests.bench.peers import COPYPARTY, FLASK, FLASK_NGINX, PEERS, TUS
from loadtests.bench.results import Record
from loadtests.bench.servers import FULL, RELAXED, Server
from loadtests.bench.sources import Scale, Sources
from loadtests.bench.transfers import Client, put_files

_PARALLEL, _FILES_EACH = 4, 2
# Read the stored file before the measurement, because Wharf's gateway caches a descriptor from the
# second request on.
_WARM_READS = 3
# One download takes less than half a second, so a measurement has several.
_HUGE_READS = 4


@dataclass(frozen=True)
class Outcome:
    """The result of a workload: bytes of large transfers (`sent`), or small `requests`."""

    rate: float
    sent: int = 0
    p50: float | None = None
    p99: float | None = None
    requests: int = 0

    @staticmethod
    def of(found: small.Result) -> Outcome:
        """Return the outcome of small requests."""
        return Outcome(found.per_second, 0, found.p50, found.p99, found.requests)


Measure = Callable[[Server, Sources, Scale], Outcome]


@dataclass(frozen=True)
class Workload:
    """A kind of work. `prepare` stores the files that `measure` reads.

    `goals` are the ratios to nginx that a target has to reach. `peers` are other servers that can
    do this work.
    """

    title: str
    unit: str
    measure: Measure
    goals: Mapping[str, float]
    prepare: Callable[[Server, Sources], None] = lambda _server, _sources: None
    peers: tuple[str, ...] = ()

    def takes(self, target: str) -> bool:
        """Tell whether a server can do this work."""
        return target not in PEERS or target in self.peers


def touch(server: Server, sources: Sources) -> None:
    """Send first requests of each kind, because servers load some code at the first request."""
    client = Client(server.port, server.headers)
    try:
        for number in range(20):
            client.get(ways.store(server, sources.small, f"touch-{number}.jpg"))
        ways.store(server, sources.large, "touch-large.jpg")
        if server.form:
            client.post(server.form, sources.small, "touch.jpg")
    finally:
        client.close()


def warm(server: Server) -> None:
    """Read the stored file before the measurement, so that all servers begin with warm caches.

    Without this, the state of the caches depends on how a server has stored the file.
    """
    paths = {server.one: server.headers, server.link: {}}
    for path, headers in paths.items():
        if path:
            client = Client(server.port, headers)
            for _ in range(_WARM_READS):
                client.get(path)
            client.close()


def record(
    workload: str,
    target: str,
    turn: int,
    server: Server,
    sources: Sources,
    scale: Scale,
    *,
    calm: bool,
) -> Record:
    """Run a workload several times; return the best rate, the least CPU time and the peak memory.

    For rate and CPU time only the best try counts, since other programs on the machine can only
    make a try slower.
    """
    tries = [_attempt(workload, server, sources, scale) for _ in range(scale.tries)]
    fastest = max((found for found, _ in tries), key=lambda found: found.rate)
    return Record(
        workload=workload,
        target=target,
        turn=turn,
        rate=fastest.rate,
        peak_pss_bytes=max(use.peak_pss_bytes for _, use in tries),
        p50=fastest.p50,
        p99=fastest.p99,
        cpu_per_gib=_least(
            use.cpu_seconds * GIB / found.sent for found, use in tries if found.sent
        ),
        cpu_per_request=_least(
            use.cpu_seconds * 1e6 / found.requests for found, use in tries if found.requests
        ),
        calm=calm,
    )


def _attempt(workload: str, server: Server, sources: Sources, scale: Scale) -> tuple[Outcome, Use]:
    os.sync()
    warm_memory(scale.warm_bytes)
    with watched(server.pid) as use:
        found = WORKLOADS[workload].measure(server, sources, scale)
    return found, use


def _least(values: Iterable[float]) -> float | None:
    return min(values, default=None)


def _put_small(server: Server, sources: Sources, scale: Scale) -> Outcome:
    ask = ways.uploading(server, sources.small)
    return Outcome.of(small.repeat(server.port, ask, seconds=scale.small_seconds))


def _get_small(server: Server, _: Sources, scale: Scale) -> Outcome:
    ask = small.Ask("GET", server.one, server.headers)
    return Outcome.of(small.repeat(server.port, ask, seconds=scale.small_seconds))


def _put_large(server: Server, sources: Sources, scale: Scale) -> Outcome:
    paths = [
        [f"{server.files}{server.new_name()}.jpg" for _ in range(_FILES_EACH)]
        for _ in range(_PARALLEL)
    ]
    clients = balanced(
        lambda: Client(server.port, server.headers), _PARALLEL, server.port, server.pid
    )
    seconds = put_files(clients, paths, sources.large)
    sent = _PARALLEL * _FILES_EACH * scale.large_bytes
    return Outcome(sent / 1e6 / seconds, sent)


def _put_huge(server: Server, sources: Sources, scale: Scale) -> Outcome:
    client = Client(server.port, server.headers)
    seconds = put_files([client], [[f"{server.files}{server.new_name()}.jpg"]], sources.huge)
    return Outcome(scale.huge_bytes / 1e6 / seconds, scale.huge_bytes)


def _post_huge(server: Server, sources: Sources, scale: Scale) -> Outcome:
    if server.form is None:
        # nginx does not accept forms, so a form is compared with its PUT.
        return _put_huge(server, sources, scale)
    begin = time.perf_counter()
    client = Client(server.port, server.headers)
    client.post(server.form, sources.huge, f"{server.new_name()}.jpg")
    client.close()
    seconds = time.perf_counter() - begin
    return Outcome(scale.huge_bytes / 1e6 / seconds, scale.huge_bytes)


def _get_link(server: Server, _: Sources, scale: Scale) -> Outcome:
    ask = small.Ask("GET", server.link, {})
    return Outcome.of(small.repeat(server.port, ask, seconds=scale.small_seconds))


def _make_link(server: Server, sources: Sources) -> None:
    _store(server, sources.small)
    if server.uploads is None:
        server.link = server.one
        return
    client = Client(server.port, server.headers)
    wanted = {"bucket": "default", "key": "one.jpg", "expires_in": 3600}
    fields = {"Content-Type": "application/json"}
    _, body = client.ask("POST", "/v1/links", fields, json.dumps(wanted).encode())
    client.close()
    server.link = urlsplit(json.loads(body)["url"]).path


def _patch_huge(server: Server, sources: Sources, scale: Scale) -> Outcome:
    return _patch(server, sources, scale, scale.huge_bytes)


def _patch_chunks(server: Server, sources: Sources, scale: Scale) -> Outcome:
    return _patch(server, sources, scale, 8 * MIB)


def _patch(server: Server, sources: Sources, scale: Scale, chunk: int) -> Outcome:
    if server.uploads is None:
        # nginx has no resumable uploads, so they are compared with its PUT.
        return _put_huge(server, sources, scale)
    begin = time.perf_counter()
    client = Client(server.port, server.headers)
    ways.send_by_tus(client, server, sources.huge, chunk, f"{server.new_name()}.jpg")
    client.close()
    seconds = time.perf_counter() - begin
    return Outcome(scale.huge_bytes / 1e6 / seconds, scale.huge_bytes)


def _get_huge(server: Server, _: Sources, scale: Scale) -> Outcome:
    begin = time.perf_counter()
    client = Client(server.port, server.headers)
    received = sum(client.get(server.one) for _ in range(_HUGE_READS))
    client.close()
    seconds = time.perf_counter() - begin
    assert received == scale.huge_bytes * _HUGE_READS
    return Outcome(received / 1e6 / seconds, received)


def _store(server: Server, source: Path) -> None:
    server.one = ways.store(server, source)


WORKLOADS: Mapping[str, Workload] = {
    "put10k": Workload(
        "10 KiB upload, 16 connections",
        "files/s",
        _put_small,
        {RELAXED: 0.20, FULL: 0.10},
        peers=PEERS,
    ),
    "get10k": Workload(
        "10 KiB GET by token, 16 connections",
        "requests/s",
        _get_small,
        {RELAXED: 0.15, FULL: 0.15},
        lambda server, sources: _store(server, sources.small),
        PEERS,
    ),
    "put100m": Workload("4 x 100 MiB PUT at once", "MB/s", _put_large, {RELAXED: 0.90, FULL: 0.75}),
    "put1g": Workload(
        "1 GiB PUT", "MB/s", _put_huge, {RELAXED: 0.90, FULL: 0.75}, peers=(COPYPARTY,)
    ),
    "post1g": Workload(
        "1 GiB form POST (nginx: PUT)",
        "MB/s",
        _post_huge,
        {RELAXED: 0.50},
        peers=(FLASK, FLASK_NGINX),
    ),
    "link10k": Workload(
        "10 KiB GET by signed link, 16 connections",
        "requests/s",
        _get_link,
        {RELAXED: 0.80, FULL: 0.80},
        _make_link,
    ),
    "patch1g": Workload(
        "1 GiB, one tus PATCH (nginx: PUT)", "MB/s", _patch_huge, {RELAXED: 0.80}, peers=(TUS,)
    ),
    "patch8m": Workload(
        "1 GiB, tus PATCHes of 8 MiB (nginx: PUT)",
        "MB/s",
        _patch_chunks,
        {RELAXED: 0.70},
        peers=(TUS,),
    ),
    "get1g": Workload(
        "1 GiB GET by token, 4 times",
        "MB/s",
        _get_huge,
        {RELAXED: 0.95, FULL: 0.95},
        lambda server, sources: _store(server, sources.huge),
        PEERS,
    ),
}
