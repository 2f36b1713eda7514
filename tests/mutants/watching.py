"""A run of each test without a mutant, to see its calls and its duration."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state

from tests.mutants.forks import Failed, quietly, run_one
from tests.mutants.hits import Ran

Entry = dict[str, Any]


def watched(
    session: pytest.Session, kept: Path, scratch: Path, tell: Callable[[str], None], *, again: bool
) -> dict[str, Ran]:
    """Return the calls of each test. With `again`, the tests of files that have not changed do not
    run again.
    """
    items = {item.nodeid: item for item in session.items}
    digests = {path: _digest(path) for path in {item.path for item in items.values()}}
    before: dict[str, Entry] = json.loads(kept.read_text()) if again and kept.exists() else {}
    known = {
        test: entry
        for test, entry in before.items()
        if test in items and digests[items[test].path] == entry["digest"]
    }
    new = [item for test, item in items.items() if test not in known]
    if new:
        tell(f"{len(new)} tests run once, to see what they call")
        for test, entry in _in_a_child(session, new, scratch / "answer.json").items():
            known[test] = entry | {"digest": digests[items[test].path]}
        kept.write_text(json.dumps(known))
    return {test: _ran(entry) for test, entry in known.items()}


def _ran(entry: Mapping[str, Any]) -> Ran:
    return Ran(entry["seconds"], tuple(entry["functions"]), entry["passed"])


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _in_a_child(
    session: pytest.Session, items: Sequence[pytest.Item], answer: Path
) -> dict[str, Entry]:
    """Run the tests in a child, so that their threads and files are not in this process."""
    pid = os.fork()
    if pid == 0:
        _watch(session, items, answer)
    os.waitpid(pid, 0)
    found: dict[str, Entry] = json.loads(answer.read_text())
    return found


def _watch(session: pytest.Session, items: Sequence[pytest.Item], answer: Path) -> NoReturn:
    quietly()
    set_mutant_under_test("stats")
    watcher = Failed()
    session.config.pluginmanager.register(watcher)
    seen: dict[str, Entry] = {}
    setups: dict[str, float] = {}
    for number, item in enumerate(items):
        watcher.failed = False
        state()._stats.clear()
        wall, cpu = time.perf_counter(), time.process_time()
        run_one(session, item, items[number + 1] if number + 1 < len(items) else None)
        # CPU time, because other programs may use the machine, but at least half of the elapsed
        # time.
        seconds = max(time.process_time() - cpu, (time.perf_counter() - wall) / 2)
        setups[item.nodeid] = watcher.setup_seconds
        seen[item.nodeid] = {
            "seconds": seconds,
            "functions": sorted(state()._stats),
            "passed": not watcher.failed,
        }
    for test, more in _fixtures_of_modules(setups).items():
        seen[test]["seconds"] += more
    answer.write_text(json.dumps(seen))
    os._exit(0)


def _fixtures_of_modules(setups: Mapping[str, float]) -> dict[str, float]:
    """Return, for each test, the seconds that its fixtures add in a separate process.

    The fixtures of a module are made once for the first test that is watched. In children they are
    made for each test.
    """
    longest: dict[str, float] = {}
    for test, seconds in setups.items():
        module = test.partition("::")[0]
        longest[module] = max(seconds, longest.get(module, 0.0))
    return {test: longest[test.partition("::")[0]] - seconds for test, seconds in setups.items()}
