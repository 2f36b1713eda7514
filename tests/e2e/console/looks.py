"""How a page is looked at: with scripts or without, how wide, light or dark, in which language.

Not every combination of all four is looked at, but every combination of any two.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


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


#: What is first is the default.
AXES: Mapping[str, Sequence[object]] = {
    "scripts": (True, False),
    "width": (1280, 360),
    "theme": ("light", "dark"),
    "language": ("en", "zh_Hans"),
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


LOOKS = [Look(**row) for row in pairwise(AXES)]  # type: ignore[arg-type] # values of its axes
#: Of what is there with scripts only.
WITH_SCRIPTS = [Look(**row) for row in pairwise({**AXES, "scripts": (True,)})]  # type: ignore[arg-type] # as above
DEFAULT = LOOKS[0]
#: The choice is left to the system, which is dark.
BY_SYSTEM = Look(scripts=True, width=1280, theme="system-dark", language="en")
