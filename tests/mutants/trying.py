"""A runner that tries all mutants, each in a forked child."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.mutants.forks import Child, Forks
from tests.mutants.hits import Hits
from tests.mutants.mutant import KILLED, NOT_CALLED, SURVIVED, Mutant

_PAUSE = 0.002  # seconds between two checks of the children
_ALONE_SECONDS = 10.0
_KEPT_EACH = 50  # results: an interrupted run loses at most this many


@dataclass
class Order:
    """The mutants to try, and the options of the run."""

    mutants: Sequence[Mutant]
    folder: Path  # for the recorded calls of tests
    scratch: Path  # for the files of tests
    budget: float  # seconds of tests for one mutant
    children: int
    again: bool
    tell: Callable[[str], None]
    keep: Callable[[Mapping[str, tuple[str, str]]], None]
    results: dict[str, tuple[str, str]] = field(default_factory=dict)


class Trial:
    """The trial of all mutants: those that wait, and those whose children run."""

    def __init__(self, session: pytest.Session, order: Order, hits: Hits) -> None:
        self.unsteady: set[str] = set()
        self._order = order
        self._hits = hits
        self._items: Mapping[str, pytest.Item] = {item.nodeid: item for item in session.items}
        self._forks = Forks(session, order.scratch)
        self._waiting = list(reversed(order.mutants))
        self._running: list[tuple[Mutant, Child]] = []
        self._steady: set[str] = set()

    def run(self) -> None:
        """Try all mutants."""
        gc.freeze()  # children do not copy objects that never change
        while self._waiting or self._running:
            while self._waiting and len(self._running) < self._order.children:
                self._start(self._waiting.pop())
            time.sleep(_PAUSE)
            self._look()

    def _start(self, mutant: Mutant) -> None:
        tests = self._hits.tests(mutant, self._order.budget)
        if not tests:
            self._order.results[mutant.name] = (NOT_CALLED, "")
            return
        items = [self._items[test] for test in tests]
        child = self._forks.start(items, mutant.name, self._hits.seconds(tests))
        self._running.append((mutant, child))

    def _look(self) -> None:
        under_way, self._running = self._running, []
        for mutant, child in under_way:
            end = child.poll()
            if end is None:
                self._running.append((mutant, child))
            else:
                self._ended(mutant, *end)

    def _ended(self, mutant: Mutant, state: str, test: str) -> None:
        if state == KILLED and test:
            if not self._passes_alone(test):
                self._waiting.append(mutant)
                return
            self._hits.killed(mutant, test)
        self._order.results[mutant.name] = (state, test)
        if state == SURVIVED:
            self._order.tell(f"survived: {mutant.where}: {mutant.change}")
        if len(self._order.results) % _KEPT_EACH == 0:
            self._order.keep(self._order.results)
            self._order.tell(f"{len(self._waiting)} left")

    def _passes_alone(self, test: str) -> bool:
        """Tell whether the test passes without a mutant. Each test that killed a
        mutant is checked once.
        """
        if test not in self._steady | self.unsteady:
            child = self._forks.start([self._items[test]], "", _ALONE_SECONDS)
            while (end := child.poll()) is None:
                time.sleep(_PAUSE)
            if end[0] == SURVIVED:
                self._steady.add(test)
            else:
                self.unsteady.add(test)
                self._hits.forget(test)
        return test in self._steady
