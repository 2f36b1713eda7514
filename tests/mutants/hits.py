"""The calls and the duration of each test, by which the tests that should kill
a mutant are ordered.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from tests.mutants.mutant import Mutant

_WORD = re.compile(r"[a-z]{4,}")
_RELATED = 0.1  # the factor for the time of a test whose file has a word of the module's name


@dataclass(frozen=True)
class Ran:
    """The run of one test without a mutant."""

    seconds: float
    functions: tuple[str, ...]
    passed: bool


@dataclass
class Hits:
    """The tests by the functions that they call, and the tests that have killed mutants before."""

    ran: Mapping[str, Ran]
    _tests: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _killers: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))

    def __post_init__(self) -> None:
        for test, ran in self.ran.items():
            for function in ran.functions if ran.passed else ():
                self._tests[function].append(test)

    def seconds(self, tests: Iterable[str]) -> float:
        """Return how long the tests take without a mutant, in seconds."""
        return sum(self.ran[test].seconds for test in tests)

    def killed(self, mutant: Mutant, test: str) -> None:
        """Remember the test that killed a mutant, because one test often kills several
        mutants of a function.
        """
        killers = self._killers[mutant.function]
        killers.pop(test, None)
        killers[test] = None

    def forget(self, test: str) -> None:
        """Remove a test that fails even without a mutant."""
        for killers in self._killers.values():
            killers.pop(test, None)
        for tests in self._tests.values():
            if test in tests:
                tests.remove(test)

    def tests(self, mutant: Mutant, budget: float) -> list[str]:
        """Return the tests that should kill the mutant, best first.

        Without a mutant, the tests together take about `budget` seconds.
        """
        chosen: list[str] = []
        left = budget
        for test in self._ordered(mutant):
            # Choose at least one test. After a test that is too long a shorter one may still fit.
            if not chosen or self.ran[test].seconds <= left:
                chosen.append(test)
                left -= self.ran[test].seconds
        return chosen

    def _ordered(self, mutant: Mutant) -> Iterator[str]:
        all_of_them = self._tests[mutant.function]
        known = list(reversed(self._killers[mutant.function]))
        yield from known
        words = set(_WORD.findall(mutant.where.lower().partition(":")[0].rpartition(".")[2]))

        def rank(test: str) -> float:
            name = test.partition("::")[0].rpartition("/")[2]
            related = bool(words & set(_WORD.findall(name)))
            return self.ran[test].seconds * (_RELATED if related else 1)

        taken = set(known)
        yield from (test for test in sorted(all_of_them, key=rank) if test not in taken)
