"""`make capacity`: measure each part's CPU time for a request, and the database's work for it.

The kernel reports CPU time by process, so other programs on the machine change it little.
docs/capacity.md says how to use the numbers. The command measures SQLite and PostgreSQL, both with
durable writes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from loadtests.bench import machine, small
from loadtests.bench.servers import FULL, Wharf
from loadtests.bench.transfers import Client
from tests.servers.postgres import PostgresServer

ENGINES = ("sqlite", "postgresql")
_BODY_BYTES = 10 * 1024
# The settings that PostgreSQL's documentation advises: a part of the memory as cache, and rarer
# checkpoints. fsync is on.
_SERVING = ("shared_buffers=512MB", "max_wal_size=4GB")


class OnPostgres(Wharf):
    """A Wharf whose services share the database at `url`, or each have SQLite if it is empty."""

    def __init__(self, folder: Path, url: str) -> None:
        super().__init__(folder, FULL)
        self._url = url

    def _environment(self) -> Mapping[str, str]:
        own = {"WHARF_DATABASE_URL": self._url} if self._url else {}
        return {**super()._environment(), **own}


@dataclass
class Spent:
    """The costs of one workload. `cpu_seconds` has CPU time by part of Wharf."""

    units: float = 0.0
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    commits: int = 0
    wal_bytes: int = 0


@dataclass(frozen=True)
class Site:
    """A running Wharf and its database."""

    wharf: Wharf
    url: str
    database_pid: int

    def parts(self) -> dict[str, float]:
        """Return CPU seconds since the start, by part of Wharf."""
        found = dict.fromkeys(("gateway", "upload", "auth", "database"), 0.0)
        for pid in machine.family(self.wharf.pid):
            part = _part(pid)
            found[part] = found.get(part, 0.0) + machine.cpu_seconds({pid})
        if self.database_pid:
            found["database"] = machine.cpu_seconds(machine.family(self.database_pid))
        return found

    def database(self) -> tuple[int, int]:
        """Return the numbers of committed transactions and of bytes of the write-ahead log.

        Both are 0 for SQLite.
        """
        if not self.url:
            return 0, 0
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("SELECT pg_stat_force_next_flush()")
            row = connection.execute(
                "SELECT xact_commit, (pg_current_wal_lsn() - '0/0')::bigint "
                "FROM pg_stat_database WHERE datname = current_database()"
            ).fetchone()
        assert row
        return row[0], row[1]

    @contextmanager
    def spending(self) -> Iterator[Spent]:
        """Measure a block, which sets the number of its units of work."""
        spent, before, (commits, wal) = Spent(), self.parts(), self.database()
        yield spent
        after, (commits_after, wal_after) = self.parts(), self.database()
        spent.cpu_seconds = {part: after[part] - before.get(part, 0.0) for part in after}
        spent.commits, spent.wal_bytes = commits_after - commits, wal_after - wal


def _part(pid: int) -> str:
    """Return the part of Wharf that a process belongs to."""
    try:
        log = os.path.basename(os.readlink(f"/proc/{pid}/fd/1"))
    except OSError:
        return "other"
    names = {"nginx.log": "gateway", "upload.log": "upload", "auth.log": "auth"}
    return names.get(log, "other")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="make capacity", description=__doc__.splitlines()[0])
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each small workload")
    parser.add_argument("--mib", type=int, default=1024, help="size of the large file")
    parser.add_argument("--work", default=tempfile.gettempdir(), help="a folder on the disk")
    arguments = parser.parse_args()
    small.ensure_wrk()
    print("| database | workload | per | gateway | upload | database | all | commits | WAL |")
    print("|---|---|---|---|---|---|---|---|---|")
    for engine in arguments.engines:
        with ExitStack() as stack:
            work = Path(tempfile.mkdtemp(prefix="wharf-capacity-", dir=arguments.work))
            stack.callback(shutil.rmtree, work, ignore_errors=True)
            work.chmod(0o755)
            site = stack.enter_context(_site(engine, work))
            for name, unit, measure in _workloads(arguments, work):
                with site.spending() as spent:
                    spent.units = measure(site)
                print(_row(engine, name, unit, spent), flush=True)


@contextmanager
def _site(engine: str, work: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        url, pid = "", 0
        if engine == "postgresql":
            folder = work / "pg"
            folder.mkdir()
            server = PostgresServer(folder, _SERVING)
            stack.callback(server.stop)
            url, pid = server.new_database(), server.pid
        yield Site(stack.enter_context(OnPostgres(work / "wharf", url)), url, pid)


Workload = tuple[str, str, Callable[[Site], float]]


def _workloads(arguments: argparse.Namespace, work: Path) -> Iterator[Workload]:
    """Yield name, unit and function of each workload. The function returns its number of units."""
    body, large = work / "body.jpg", work / "large.jpg"
    body.write_bytes(b"\xff\xd8\xff" + os.urandom(_BODY_BYTES - 3))
    with large.open("wb") as file:
        for _ in range(arguments.mib):
            file.write(os.urandom(1 << 20))
    gib: float = arguments.mib / 1024
    seconds: float = arguments.seconds

    def put(site: Site) -> float:
        return _small(site, "PUT", f"{site.wharf.files}small/", seconds, body)

    def get(site: Site) -> float:
        _client(site).put(f"{site.wharf.files}one.jpg", body)
        return _small(site, "GET", f"{site.wharf.files}one.jpg", seconds)

    def listing(site: Site) -> float:
        return _small(site, "GET", f"{site.wharf.files[:-1]}?limit=100", seconds)

    def put_large(site: Site) -> float:
        _client(site).put(f"{site.wharf.files}large.jpg", large)
        return gib

    def get_large(site: Site) -> float:
        _client(site).get(f"{site.wharf.files}large.jpg")
        return gib

    yield "10 KiB PUT", "request", put
    yield "10 KiB GET by token", "request", get
    yield "list of 100 files", "request", listing
    yield "large PUT", "GiB", put_large
    yield "large GET", "GiB", get_large


def _client(site: Site) -> Client:
    return Client(site.wharf.port, site.wharf.headers)


def _small(site: Site, method: str, path: str, seconds: float, body: Path | None = None) -> float:
    token = site.wharf.token
    found = small.run(method, site.wharf.port, path, token=token, seconds=seconds, body=body)
    return found.per_second * seconds


def _row(engine: str, name: str, unit: str, spent: Spent) -> str:
    scale, of = (1e6, "µs") if unit == "request" else (1.0, "s")
    each = {part: seconds * scale / spent.units for part, seconds in spent.cpu_seconds.items()}
    digits = 0 if unit == "request" else 2
    shown = [f"{each[part]:.{digits}f} {of}" for part in ("gateway", "upload", "database")]
    commits = f"{spent.commits / spent.units:.2f}" if spent.commits else ""
    wal = f"{spent.wal_bytes / spent.units:,.0f} B" if spent.commits else ""
    total = f"{sum(each.values()):.{digits}f} {of}"
    return f"| {' | '.join([engine, name, unit, *shown, total, commits, wal])} |"


if __name__ == "__main__":
    main()
