"""The results of mutants, stored between runs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.mutants.mutant import KILLED, NOT_CALLED, SURVIVED, TIMED_OUT, Mutant
from tests.mutants.rooms import ROOT

RESULTS = ROOT / "tests" / "mutants" / "results"


class Verdicts:
    """The mutants of a package and their results."""

    def __init__(self, build: Path, room: str, mutants: Sequence[Mutant]) -> None:
        self.mutants = mutants
        self._room = room
        self._file = build / f"{room}.json"
        # The key is the text for people, because numbers of mutants change with each line of code.
        self._keys = dict(_keys(mutants))
        kept = json.loads(self._file.read_text()) if self._file.exists() else {}
        self._kept: dict[str, list[str]] = {key: kept[key] for key in kept if key in self._known}

    @property
    def _known(self) -> set[str]:
        return set(self._keys.values())

    def open(self) -> list[Mutant]:
        """Return the new mutants, and those that the last run neither killed nor timed out."""
        return [
            mutant
            for mutant in self.mutants
            if self._kept.get(self._keys[mutant.name], [""])[0] not in {KILLED, TIMED_OUT}
        ]

    def keep(self, results: Mapping[str, tuple[str, str]]) -> None:
        """Add the results of a run and write the package's result."""
        for name, verdict in results.items():
            if name in self._keys:
                self._kept[self._keys[name]] = list(verdict)
        self._file.write_text(json.dumps(self._kept, indent=0))
        counts = Counter(verdict[0] for verdict in self._kept.values())
        survivors = [
            {
                "where": mutant.where,
                "change": mutant.change,
                "state": self._kept[self._keys[mutant.name]][0],
            }
            for mutant in self.mutants
            if self._kept.get(self._keys[mutant.name], [KILLED])[0] in {SURVIVED, NOT_CALLED}
        ]
        result = {
            "made": len(self.mutants),
            "killed": counts[KILLED],
            "timed out": counts[TIMED_OUT],
            "survived": counts[SURVIVED],
            "not called": counts[NOT_CALLED],
            "survivors": survivors,
        }
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{self._room}.json").write_text(
            json.dumps(result, indent=1, ensure_ascii=False) + "\n"
        )


def _keys(mutants: Sequence[Mutant]) -> Iterator[tuple[str, str]]:
    """Yield the name and the key of each mutant. The key contains place and change.

    If several mutants have the same place and change, the keys of all but the first also have a
    number.
    """
    seen: Counter[str] = Counter()
    for mutant in mutants:
        key = f"{mutant.where} | {mutant.change}"
        seen[key] += 1
        yield mutant.name, key if seen[key] == 1 else f"{key} | {seen[key]}"
