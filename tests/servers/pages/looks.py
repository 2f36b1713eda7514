"""The ways to show a page: with or without scripts, widths, light or dark themes, and languages.

The tests do not use every combination of all values, but every combination of any two values. Theme
and language change together, because no rule of a theme depends on the language.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Look:
    """The properties with which a page is opened.

    Attributes:
        theme: `light` and `dark` are chosen in the console, `system-dark` only by the system.
        language: the name of a catalog of the console.
    """

    scripts: bool
    width: int
    theme: str
    language: str

    def __str__(self) -> str:
        """Return the name of the look for the name of a test."""
        scripts = "scripts" if self.scripts else "plain"
        return f"{scripts}-{self.width}-{self.theme}-{self.language}"


#: The first value is the default. `dress` is theme and language.
AXES: Mapping[str, Sequence[object]] = {
    "scripts": (True, False),
    "width": (1280, 360),
    "dress": (("light", "en"), ("dark", "zh_Hans")),
}


def pairwise(axes: Mapping[str, Sequence[object]]) -> list[dict[str, object]]:
    """Return the fewest rows that contain every pair of values of different axes.

    The first row has the first value of each axis, and equal axes give equal rows.
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
#: For pages that exist only with scripts.
WITH_SCRIPTS = _looks({**AXES, "scripts": (True,)})
DEFAULT = LOOKS[0]
#: The theme is left to the system, which is dark.
BY_SYSTEM = Look(scripts=True, width=1280, theme="system-dark", language="en")
