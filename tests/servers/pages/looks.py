"""How a page is looked at: with scripts or without, how wide, light or dark, in which language.

Not every combination is looked at, but every combination of any two; theme and language go
together, since none of a theme's rules depends on the language.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Look:
    """A person's browser and choices.

    Attributes:
        theme: `light` and `dark` are chosen in the console, `system-dark` by the system alone.
        language: as the console's catalogs are called.
    """

    scripts: bool
    width: int
    theme: str
    language: str

    def __str__(self) -> str:
        """The name of a test."""
        scripts = "scripts" if self.scripts else "plain"
        return f"{scripts}-{self.width}-{self.theme}-{self.language}"


#: What is first is the default. `dress` is theme and language.
AXES: Mapping[str, Sequence[object]] = {
    "scripts": (True, False),
    "width": (1280, 360),
    "dress": (("light", "en"), ("dark", "zh_Hans")),
}


def pairwise(axes: Mapping[str, Sequence[object]]) -> list[dict[str, object]]:
    """The fewest rows that have every two values of different axes together.

    The first row has the first value of each axis; the same axes give the same rows.
    """
    default, *others = itertools.product(*axes.values())
    wanted = set[_Pair]().union(*map(_pairs, (default, *others)))
    for count in range(len(others) + 1):
        for chosen in itertools.combinations(others, count):
            rows = (default, *chosen)
            if wanted == set[_Pair]().union(*map(_pairs, rows)):
                return [dict(zip(axes, row, strict=True)) for row in rows]
    raise AssertionError("all rows have all pairs")


_Pair = tuple[tuple[int, object], tuple[int, object]]


def _pairs(row: Sequence[object]) -> set[_Pair]:
    return set(itertools.combinations(enumerate(row), 2))


def _looks(axes: Mapping[str, Sequence[object]]) -> list[Look]:
    rows: list[dict[str, Any]] = pairwise(axes)
    return [
        Look(row["scripts"], row["width"], theme=row["dress"][0], language=row["dress"][1])
        for row in rows
    ]


LOOKS = _looks(AXES)
#: Of what is there with scripts only.
WITH_SCRIPTS = _looks({**AXES, "scripts": (True,)})
DEFAULT = LOOKS[0]
#: The choice is left to the system, which is dark.
BY_SYSTEM = Look(scripts=True, width=1280, theme="system-dark", language="en")
