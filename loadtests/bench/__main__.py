"""`make bench`: compare Wharf with nginx alone and with other servers, in the same rounds."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from loadtests.bench import machine, report, small
from loadtests.bench.disk import DiskFailed, WorkFolder, work_folder
from loadtests.bench.peers import ensure_peers
from loadtests.bench.results import Run
from loadtests.bench.rounds import HotpathFailed, run_rounds, say
from loadtests.bench.servers import ROOT, Nginx, ServerFailed
from loadtests.bench.sources import QUICK, WHOLE, Scale
from loadtests.bench.targets import OWN, TARGETS
from loadtests.bench.transfers import TransferFailed
from loadtests.bench.workloads import WORKLOADS


def main() -> None:
    """Run the command."""
    arguments = _arguments()
    scale = QUICK if arguments.quick else WHOLE
    small.ensure_wrk()
    ensure_peers(set(arguments.servers))
    base = Path(os.environ.get("BENCH_WORK") or Path(tempfile.gettempdir()) / "wharf-bench")
    base = base.resolve()
    commit = _commit()
    try:
        with work_folder(base, _needed_bytes(scale)) as work:
            _warn(base, work)
            place = _machine(work)
            records, prices = run_rounds(
                arguments.workloads, arguments.servers, arguments.rounds, work.path, scale
            )
    except KeyboardInterrupt:
        sys.exit(130)
    except (ServerFailed, TransferFailed, HotpathFailed, DiskFailed, small.WrkFailed) as error:
        sys.exit(f"bench: {error}")
    run = Run(commit, place, arguments.quick, records, prices)
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    path = arguments.result or base / "results" / f"{commit}-{stamp}.json"
    run.save(path)
    print(f"{place}, {commit}, medians of {arguments.rounds} rounds\n")
    print(report.table(run), "", report.hotpath_table(run), "", sep="\n")
    print(f"Result: {path}", *report.remarks(run), sep="\n")


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
    parser.add_argument(
        "--result",
        type=Path,
        default=Path(os.environ["RESULT"]) if os.environ.get("RESULT") else None,
        help="where the result is written, as JSON; without it below BENCH_WORK",
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


def _needed_bytes(scale: Scale) -> int:
    # The sources; the file of each try, and the last file both in the spool and as a copy; small
    # files; and the file system's own blocks.
    huge = (scale.tries + 2) * scale.huge_bytes
    return (huge + 8 * scale.large_bytes + machine.GIB) * 9 // 8


def _warn(base: Path, work: WorkFolder) -> None:
    if work.lacking:
        say(
            f"no journaled file system of its own ({work.lacking}): it goes on in {work.path}, "
            "and numbers are less steady"
        )
    for note in (machine.memory_note(base), machine.journal_note(work.path)):
        if note:
            say(f"note: {note}")


def _machine(work: WorkFolder) -> str:
    """Return a description of the machine on which the numbers were measured."""
    kind, _ = machine.file_system(work.path)
    own = "" if work.lacking else " in an image of its own"
    nginx = subprocess.run([Nginx.program(), "-v"], capture_output=True, text=True, check=True)
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), Linux {platform.release()}, "
        f"{nginx.stderr.strip().rpartition(': ')[2]}, Python {platform.python_version()}, "
        f"{kind}{own}"
    )


def _commit() -> str:
    """Return the measured revision, with `-dirty` for a changed working tree; else `unknown`."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


if __name__ == "__main__":
    main()
