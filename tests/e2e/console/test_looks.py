"""The choice of looks: as few as possible, with every pair of values."""

from __future__ import annotations

import itertools

import pytest

from tests.servers.pages.looks import AXES, BY_SYSTEM, DEFAULT, LOOKS, Look, pairwise


@pytest.mark.parametrize("axes", [AXES, {**AXES, "scripts": (True,)}])
def test_every_pair_is_looked_at(axes: dict[str, tuple[object, ...]]) -> None:
    """Any two values of different properties occur together in some look."""
    rows = pairwise(axes)
    for (one, values), (other, others) in itertools.combinations(axes.items(), 2):
        met = {(row[one], row[other]) for row in rows}
        assert met == set(itertools.product(values, others))


def test_the_default_is_looked_at_first() -> None:
    """The default look has scripts, a wide page, the light theme and English."""
    assert Look(scripts=True, width=1280, theme="light", language="en") == DEFAULT


@pytest.mark.parametrize(
    ("axes", "fewest"), [(AXES, 4), ({"a": (1, 2, 3), "b": (1, 2, 3), "c": (1, 2)}, 9)]
)
def test_there_are_few(axes: dict[str, tuple[object, ...]], fewest: int) -> None:
    """The number of looks is the smallest that a covering array of strength two can have."""
    assert len(pairwise(axes)) == fewest


def test_each_has_a_name_of_its_own() -> None:
    """Each look has a unique name, which a failed test shows."""
    assert len(set(map(str, (*LOOKS, BY_SYSTEM)))) == len(LOOKS) + 1
