"""`make scale`: compare the costs of operations with ten million files and with few files."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from random import Random

from loadtests.bench import small as wrk
from loadtests.scale import http_layer, records_layer, report
from loadtests.scale.case import Case
from loadtests.scale.requests import Client
from loadtests.scale.rows import Generated
from loadtests.scale.servers import DIALECTS, Databases, ScaleWharf, databases, remove, sizes
from servicekit.database import open_database
from wharf_upload.database.sql import SqlRecords

_HOT_FILES = 200
# The small database has as many tenants as are used in the full one.
_SMALL_TENANTS, _SMALL_FILES = _HOT_FILES, 8_000
# Bytes on disk for the rows of one file, including what the run writes.
_BYTES_PER_FILE = 1_600


def main() -> None:
    """Run the command."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    wrk.ensure_wrk()
    work = Path(arguments.work).resolve()
    work.mkdir(parents=True, exist_ok=True)
    _require_room(work, arguments.files)
    try:
        for dialect in arguments.databases:
            _measure(dialect, work, arguments)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        if not arguments.keep:
            remove(work)


def _measure(dialect: str, work: Path, arguments: argparse.Namespace) -> None:
    few = Generated(_SMALL_TENANTS, _SMALL_FILES, arguments.seed)
    many = Generated(arguments.tenants, arguments.files, arguments.seed)
    with databases(dialect, work, few, many) as made:
        print(f"\n## {dialect}: {arguments.tenants:,} tenants, {arguments.files:,} files\n")
        print(report.sizes(sizes(made.full), many.file_count), "", sep="\n")
        if "plans" in arguments.parts:
            database = open_database(made.full, durable=False)
            print(report.plans(_case(made.full, many), database), "", sep="\n")
        if "records" in arguments.parts:
            pair = _case(made.small, few, _HOT_FILES), _case(made.full, many, _HOT_FILES)
            for case in pair:
                case.warm()
            costs = records_layer.measure(*pair, arguments.calls, arguments.only)
            print(report.costs("operation", costs), "", sep="\n", flush=True)
        if "anywhere" in arguments.parts:
            pair = _case(made.small, few), _case(made.full, many)
            costs = records_layer.measure(*pair, arguments.calls, arguments.only)
            print(report.costs("operation, anywhere", costs), "", sep="\n", flush=True)
        if "http" in arguments.parts:
            _http(made, work, few, many, arguments)


def _http(
    made: Databases,
    work: Path,
    few: Generated,
    many: Generated,
    arguments: argparse.Namespace,
) -> None:
    with ExitStack() as stack:
        clients = []
        for url, generated in ((made.small, few), (made.full, many)):
            folder = Path(tempfile.mkdtemp(prefix="wharf-", dir=work)) / "wharf"
            wharf = stack.enter_context(ScaleWharf(folder, url))
            client = Client(wharf, _case(url, generated, _HOT_FILES))
            client.prepare()
            client.case.warm()
            clients.append(client)
        small, full = clients
        costs = http_layer.measure(small, full, arguments.calls, arguments.only)
        print(report.costs("request", costs), "", sep="\n", flush=True)
        loads = http_layer.saturate(
            small, full, made.pids, rounds=arguments.rounds, seconds=arguments.seconds
        )
        print(report.loads(loads), "", sep="\n", flush=True)


def _case(url: str, generated: Generated, hot_files: int = 0) -> Case:
    # Measure without fsync: it costs the same with few rows and with many, and would hide other
    # costs.
    records = SqlRecords(open_database(url, durable=False))
    return Case(records, generated.everybody, Random(generated.seed), hot_files)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make scale", description=__doc__)
    parser.add_argument("--tenants", type=int, default=10_000)
    parser.add_argument("--files", type=int, default=10_000_000)
    parser.add_argument("--databases", default=",".join(DIALECTS))
    parser.add_argument("--parts", default="plans,records,anywhere,http")
    parser.add_argument("--calls", type=int, default=1000, help="of each operation")
    parser.add_argument("--rounds", type=int, default=7, help="of load by wrk")
    parser.add_argument("--seconds", type=float, default=4.0, help="of load by wrk, each time")
    parser.add_argument("--only", default="", help="operations whose titles have this")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--work",
        default=os.environ.get("SCALE_WORK") or str(Path(tempfile.gettempdir()) / "wharf-scale"),
    )
    parser.add_argument("--keep", action="store_true", help="leave the databases for a next run")
    arguments = parser.parse_args()
    arguments.databases = arguments.databases.replace(",", " ").split()
    if set(arguments.databases).difference(DIALECTS):
        parser.error(f"databases are {', '.join(DIALECTS)}")
    return arguments


def _require_room(work: Path, files: int) -> None:
    free = shutil.disk_usage(work).free
    if free < files * _BYTES_PER_FILE and not list(work.iterdir()):
        sys.exit(f"scale: {work} has {free >> 20} MiB free, too little for {files:,} files")


if __name__ == "__main__":
    main()
