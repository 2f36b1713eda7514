"""Try the mutants (`make mutants`), print the score of each package and its survivors without a
reason, and write docs/mutants.md.

python -m tests.mutants                     all packages
python -m tests.mutants domain access       these packages
python -m tests.mutants --again domain      new mutants and those that the last run did not kill

With `--again`, tests whose files have not changed do not run again to see their calls.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.mutants import report, verdicts
from tests.mutants.loading import load_mutated
from tests.mutants.making import mutants_of
from tests.mutants.mutant import Mutant
from tests.mutants.plugin import Plugin
from tests.mutants.rooms import ROOMS, ROOT, Room, Service
from tests.mutants.trying import Order

BUILD = ROOT / "build" / "mutants"
_MEMORY = Path("/dev/shm")
# Tests run in the order that kills soonest, so no plugin may shuffle them.
_SAME_ORDER = ("-p", "no:randomly", "-o", "addopts=--import-mode=importlib", "--rootdir", str(ROOT))


def tell(line: str) -> None:
    """Print the progress with the time."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.__stderr__, flush=True)


def made(service: Service) -> tuple[dict[str, list[Mutant]], dict[str, tuple[Path, str]]]:
    """Return the mutants of each package of the service, and the mutated modules."""
    mutants: dict[str, list[Mutant]] = {}
    modules: dict[str, tuple[Path, str]] = {}
    for room in (room for room in ROOMS if room.service == service):
        for name, path in room.modules():
            of_module = mutants_of(name, path, BUILD / "made")
            modules[name] = (path, of_module.code)
            mutants.setdefault(room.name, []).extend(of_module.mutants)
    return mutants, modules


def run(service: Service, rooms: Sequence[Room], options: argparse.Namespace) -> None:
    """Try the mutants of these packages of the service, in this process and its children."""
    start = time.monotonic()
    mutants, modules = made(service)
    load_mutated(modules)
    judged = {room.name: verdicts.Verdicts(BUILD, room.name, mutants[room.name]) for room in rooms}
    wanted = [
        mutant
        for room in judged.values()
        for mutant in (room.open() if options.again else room.mutants)
        if re.search(options.only, mutant.where)
    ]
    tell(f"{service.name}: {len(wanted)} mutants")

    def keep(results: Mapping[str, tuple[str, str]]) -> None:
        for room in judged.values():
            room.keep(results)

    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as scratch:
        order = Order(
            wanted,
            BUILD / service.name,
            Path(scratch),
            options.budget,
            options.children,
            options.again,
            tell,
            keep,
        )
        plugin = Plugin(order)
        arguments = ["-q", "-s", "-p", "no:cacheprovider", "--timeout=0", *_SAME_ORDER]
        code = pytest.main([*service.tests, *arguments], plugins=[plugin])
    if code not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
        sys.exit(f"pytest ended with {code!r}")
    for test, why in plugin.unfit.items():
        tell(f"left out: {test} {why}")
    keep(order.results)
    tell(f"{service.name}: {time.monotonic() - start:.0f} s")


def main() -> int:
    """Try the mutants of the named packages, or of all packages if no package is named. Use one
    process for each service, and write docs/mutants.md.
    """
    parser = argparse.ArgumentParser(prog="make mutants")
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help="default: all")
    parser.add_argument("--again", action="store_true", help="only what was not killed")
    parser.add_argument("--only", default="", metavar="RE", help="only where the name has it")
    parser.add_argument("--budget", type=float, default=6, help="seconds of tests for a mutant")
    parser.add_argument("--children", type=int, default=2, help="mutants at once")
    options = parser.parse_args()
    unknown = set(options.rooms) - {room.name for room in ROOMS}
    if unknown:
        parser.error(f"no such room: {', '.join(sorted(unknown))}")
    rooms = [room for room in ROOMS if room.name in options.rooms or not options.rooms]
    services = list(dict.fromkeys(room.service for room in rooms))
    if len(services) == 1:
        run(services[0], rooms, options)
        return report.write([room.name for room in rooms])
    worst = 0
    for service in services:
        names = [room.name for room in rooms if room.service == service]
        switches = [word for word in sys.argv[1:] if word not in options.rooms]
        command = [sys.executable, "-m", "tests.mutants", *switches, *names]
        worst = max(worst, subprocess.run(command, check=False, cwd=ROOT).returncode)
    return worst


if __name__ == "__main__":
    sys.exit(main())
