"""An operation on the records that tests count and `make scale` measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from loadtests.scale.case import Case

Run = Callable[[], object]


@dataclass(frozen=True)
class Operation:
    """An operation of the records.

    `prepare` does work that is not measured, and returns the function to measure. `hot` tells
    whether a client's request waits for the operation. `lookups` is the number of names that it
    looks up in one index.
    """

    title: str
    prepare: Callable[[Case], Run]
    hot: bool = True
    lookups: int = 1
