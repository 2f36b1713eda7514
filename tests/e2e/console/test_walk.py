"""Every page in every state: all can use it, it keeps to its policy, and no token is in it.

`states.py` is the table; a state is looked at in its default and so that every two choices of
scripts, width and dress (theme and language) meet (`looks.py`). All names on the pages have scripts
in them.
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
#: No page may scroll sideways there either (WCAG 1.4.10).
NARROWEST = 320


@pytest.mark.parametrize(("state", "look"), WALKS)
def test_each_state(stage: Stage, state: State, look: Look) -> None:
    """It is reached, everybody can use it, nothing is out of its policy, and no token is in it."""
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
    """Brings the browser to the state, and waits until it is to be seen."""
    stage.set(look)
    stage.become(state.who)
    with state.around(stage), stage.scripts(on=look.scripts):
        stage.open(state.path.format(port=stage.wharf.port, **stage.world.places))
        state.reach(stage)
        stage.awaited(lambda: any(one.is_displayed() for one in stage.all(state.shows)))
        stage.settle()


def test_no_browser_reports_a_broken_policy(stage: Stage) -> None:
    """After the walk, no page of it has been reported to the console."""
    assert inspection.reports(stage) == []
