"""The speed of Wharf on an object store, compared with boto3 alone on the same store.

python -m loadtests.object_store [--rounds 3] [--megabytes 1024] [--seconds 5] [--json]

radosgw, boto3 and Wharf run on this machine, and each round measures both Wharf and boto3. wrk
sends the small requests to Wharf. For boto3, threads of one process send the small requests, and
the fastest number of threads counts.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

from loadtests.bench import small
from loadtests.bench.transfers import Client
from loadtests.object_store.boto3_alone import Boto3Alone
from loadtests.object_store.memory import memory_megabytes
from tests.servers.object_stores import ObjectStore
from tests.servers.radosgw import Cluster
from tests.servers.wharf import instance
from tests.servers.wharf.api_client import ApiClient

_SMALL_BYTES = 10 * 1024
_ACCESS_KEY, _SECRET_KEY = "BENCHKEY000000000001", "benchsecretbenchsecretbenchsecretbench01"
# One client sends all requests.
_OPEN = "1000000"
_NO_LIMITS = {
    f"WHARF_{name}": _OPEN
    for name in (
        "ADDRESS_REQUESTS_PER_SECOND",
        "ADDRESS_REQUESTS_BURST",
        "CREDENTIAL_REQUESTS_PER_SECOND",
        "CREDENTIAL_REQUESTS_BURST",
        "TENANT_REQUESTS_PER_MINUTE",
        "CLIENT_REQUESTS_PER_MINUTE",
    )
}


@dataclass
class Row:
    """One kind of request, with the results of Wharf and boto3 in each round."""

    name: str
    unit: str
    alone: list[float] = field(default_factory=list)
    wharf: list[float] = field(default_factory=list)

    def ratio(self) -> float:
        """Return Wharf's median divided by that of boto3."""
        return median(self.wharf) / median(self.alone)


@contextmanager
def radosgw() -> Iterator[ObjectStore]:
    """Start an object store that keeps everything in memory."""
    with tempfile.TemporaryDirectory(prefix="wharf-ceph-") as folder:
        cluster = Cluster(Path(folder), _ACCESS_KEY, _SECRET_KEY)
        try:
            yield ObjectStore(f"http://127.0.0.1:{cluster.port}", _ACCESS_KEY, _SECRET_KEY)
        finally:
            cluster.stop()


def seconds_of(perform: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    begun = time.perf_counter()
    perform()
    return time.perf_counter() - begun


def token_of(wharf: instance.Wharf) -> str:
    """Return an access token of the tenant `demo`."""
    known = wharf.credentials("demo")
    answer = ApiClient(wharf.port).login(known["client_id"], known["client_secret"])
    return str(answer.json()["access_token"])


def measure(
    wharf: instance.Wharf, alone: Boto3Alone, large: Path, rounds: int, seconds: float
) -> tuple[list[Row], list[float]]:
    """Return the rows, and the memory of upload in MB before the first round and after each."""
    megabytes = large.stat().st_size / 1e6
    token = token_of(wharf)
    fields = {"Authorization": f"Bearer {token}"}
    put, get, tiny = Row("PUT large", "MB/s"), Row("GET large", "MB/s"), Row("PUT 10 KiB", "/s")
    body = large.with_name("small")
    body.write_bytes(b"\xff\xd8\xff\xe0" + bytes(_SMALL_BYTES - 4))
    memory = [memory_megabytes(wharf)]
    for number in range(rounds):
        put.alone.append(megabytes / seconds_of(partial(alone.put, large)))
        client = Client(wharf.port, fields)
        path = f"/v1/files/default/large-{number}.jpg"
        put.wharf.append(megabytes / seconds_of(partial(client.put, path, large)))
        get.alone.append(megabytes / seconds_of(alone.get))
        get.wharf.append(megabytes / seconds_of(partial(client.get, path)))
        tiny.alone.append(alone.puts_per_second(body.read_bytes(), seconds))
        tiny.wharf.append(
            small.run(
                *("PUT", wharf.port, f"/v1/files/default/small-{number}-"),
                token=token,
                seconds=seconds,
                body=body,
            ).per_second
        )
        memory.append(memory_megabytes(wharf))
        alone.forget()
        client.ask("DELETE", path, {})
    return [put, get, tiny], memory


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    small.ensure_wrk()
    with tempfile.TemporaryDirectory() as name, radosgw() as store:
        folder = Path(name)
        large = folder / "large"
        with large.open("wb") as file:
            file.write(b"\xff\xd8\xff\xe0")
            file.truncate(given.megabytes << 20)
        # The page cache has the source, so that the disk is not measured.
        large.read_bytes()
        settings = {**store.settings(folder), "WHARF_DELETED_GRACE_SECONDS": "0"}
        settings |= {"WHARF_SWEEP_SECONDS": "2", "WHARF_DURABILITY": "full", **_NO_LIMITS}
        with instance.running(None, **settings) as wharf, Boto3Alone(store) as alone:
            rows, memory = measure(wharf, alone, large, given.rounds, given.seconds)
    if given.json:
        print(json.dumps({row.name: [row.alone, row.wharf] for row in rows}))
        return
    print(f"{'':12}{'boto3 alone':>14}{'Wharf':>12}{'ratio':>8}   (medians of {given.rounds})")
    for row in rows:
        print(
            f"{row.name:12}{median(row.alone):10.1f}{row.unit:>4}{median(row.wharf):8.1f}"
            f"{row.unit:>4}{row.ratio():8.2f}"
        )
    print(f"memory of Python, MB (PSS), fresh and after each round: {memory}")


if __name__ == "__main__":
    main()
