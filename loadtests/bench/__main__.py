"""`make bench`: Wharf beside nginx alone and beside others, on this machine, in the same rounds."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from loadtests.bench import machine, report, small
from loadtests.bench.peers import ensure_peers
from loadtests.bench.servers import ServerFailed
from loadtests.bench.targets import OWN, TARGETS, server
from loadtests.bench.transfers import TransferFailed
from loadtests.bench.workloads import (
    QUICK,
    WHOLE,
    WORKLOADS,
    Record,
    Scale,
    Sources,
    make_sources,
    prefetch,
    record,
    touch,
)


def main() -> None:
    """The command line."""
    arguments = _arguments()
    scale = QUICK if arguments.quick else WHOLE
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    small.ensure_wrk()
    ensure_peers(set(arguments.servers))
    base = Path(os.environ.get("BENCH_WORK") or Path(tempfile.gettempdir()) / "wharf-bench")
    base = base.resolve()
    base.mkdir(parents=True, exist_ok=True)
    _require_room(base, scale)
    if note := machine.file_system_note(base):
        _say(f"note: {note}")
    records: list[Record] = []
    work = Path(tempfile.mkdtemp(prefix="run-", dir=base))
    try:
        sources = make_sources(work, scale)
        for turn in range(1, arguments.rounds + 1):
            for name in arguments.workloads:
                records.extend(
                    _measure(name, target, turn, work, sources, scale)
                    for target in arguments.servers
                    if WORKLOADS[name].takes(target)
                )
    except KeyboardInterrupt:
        sys.exit(130)
    except (ServerFailed, TransferFailed, small.WrkFailed) as error:
        sys.exit(f"bench: {error}")
    finally:
        shutil.rmtree(work)
    print(
        _heading(base, arguments.rounds, quick=arguments.quick), "", report.table(records), sep="\n"
    )
    if restless := sum(not one.calm for one in records):
        print(f"\n{restless} of {len(records)} measurements began while the machine was busy.")


def _measure(
    name: str, target: str, turn: int, work: Path, sources: Sources, scale: Scale
) -> Record:
    """One measurement on a fresh server, which is gone afterwards with all that it stored."""
    with server(target, work / target) as running:
        touch(running, sources)
        machine.warm_page_cache(work, scale.warm_bytes)
        # After the holes, so that it stays in memory before them.
        WORKLOADS[name].prepare(running, sources)
        os.sync()
        prefetch(sources)
        calm = machine.wait_calm(scale.calm_seconds)
        found = record(name, target, turn, running, sources, scale, calm=calm)
    os.sync()
    _say(f"round {turn}, {name}, {target}: {found.rate:,.0f} {WORKLOADS[name].unit}")
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes: to try the bench itself")
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("ROUNDS") or 3))
    parser.add_argument(
        "--workloads",
        default=os.environ.get("WORKLOADS") or ",".join(WORKLOADS),
        help=f"some of {','.join(WORKLOADS)}",
    )
    parser.add_argument(
        "--servers",
        default=os.environ.get("SERVERS") or ",".join(TARGETS if _with_peers() else OWN),
        help=f"some of {','.join(TARGETS)}; PEERS=no leaves out what is by others",
    )
    arguments = parser.parse_args()
    arguments.servers = arguments.servers.replace(",", " ").split()
    if unknown := set(arguments.servers).difference(TARGETS):
        parser.error(f"no such server: {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    if OWN[0] not in arguments.servers:
        parser.error(f"{OWN[0]} is what the others are compared with")
    arguments.workloads = arguments.workloads.replace(",", " ").split()
    unknown = set(arguments.workloads).difference(WORKLOADS)
    if unknown or arguments.rounds < 1:
        parser.error(f"workloads are {', '.join(WORKLOADS)}; rounds are 1 or more")
    return arguments


def _with_peers() -> bool:
    return os.environ.get("PEERS", "yes") not in {"no", "0", ""}


def _require_room(base: Path, scale: Scale) -> None:
    # The sources; the stored file; a form in the spool beside its copy; and small files.
    needed = 4 * scale.huge_bytes + 10 * scale.large_bytes + machine.GIB
    free = shutil.disk_usage(base).free
    if free < needed:
        sys.exit(f"bench: {base} has {free >> 20} MiB free, {needed >> 20} MiB are needed")


def _heading(base: Path, rounds: int, *, quick: bool) -> str:
    kind, _ = machine.file_system(base)
    version = subprocess.run(
        ["uname", "-r"], capture_output=True, text=True, check=True
    ).stdout.strip()
    small_sizes = "; --quick: sizes too small for conclusions" if quick else ""
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), Linux {version}, {kind}, "
        f"medians of {rounds} rounds{small_sizes}"
    )


def _say(line: str) -> None:
    print(f"bench: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
