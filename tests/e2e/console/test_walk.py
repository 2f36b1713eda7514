"""A walk through every page in every state: accessible, within its policy, and without tokens.

`states.py` is the table. Each state is checked in its default look, and in looks in which every two
values of scripts, width and dress (theme and language) occur together (`looks.py`). All names on
the pages contain scripts.
"""

from __future__ import annotations

import pytest

from tests.e2e.console import inspection
from tests.e2e.console.states import STATES, State
from tests.servers.pages.looks import Look
from tests.servers.pages.stage import Stage

WALKS = [
    pytest.param(state, look, id=f"{state}-{look}") for state in STATES for look in state.looks
]
#: No page may scroll sideways at this width either (WCAG 1.4.10).
NARROWEST = 320


@pytest.mark.parametrize(("state", "look"), WALKS)
def test_each_state(stage: Stage, state: State, look: Look) -> None:
    """Each state of a page passes axe, keeps its policy, size and width, and contains no token."""
    reached(stage, state, look)
    html = stage.one("html")
    assert (html.get_attribute("lang") or "").replace("-", "_") == look.language
    said = inspection.complaints(stage)
    assert [one for one in said if not (state.complaint and state.complaint in one)] == []
    assert inspection.ran(stage) is None
    assert inspection.overflow(stage) == 0
    assert inspection.violations(stage) == []
    assert inspection.secrets(stage) == []
    assert inspection.weight(stage) < state.weight
    if look.width < 400:
        stage.resize(NARROWEST)
        assert inspection.overflow(stage) == 0


def reached(stage: Stage, state: State, look: Look) -> None:
    """Bring the browser to the state, and wait until the page shows it."""
    stage.set(look)
    stage.become(state.who)
    with state.around(stage), stage.scripts(on=look.scripts):
        stage.open(state.path.format(port=stage.wharf.port, **stage.world.places))
        state.reach(stage)
        stage.awaited(lambda: any(one.is_displayed() for one in stage.all(state.shows)))
        stage.settle()


def test_no_browser_reports_a_broken_policy(stage: Stage) -> None:
    """The console has received no report of a broken policy during the walk."""
    assert inspection.reports(stage) == []
