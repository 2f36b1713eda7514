"""A pytest plugin that collects once and then runs mutants instead of the tests."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.mutants.forks import place_temporary_files, run_one
from tests.mutants.hits import Hits, Ran
from tests.mutants.trying import Order, Trial
from tests.mutants.watching import watched

# Tests on other databases have the same result as on SQLite, but take longer. The process of a
# server does not contain the mutant.
_SERVERS = ("postgres", "redis", "radosgw", "ceph", "swift", "strace", "socket_server")
_TOO_LONG_SECONDS = 3.0
_NONE = Ran(0, (), passed=False)


class Plugin:
    """A plugin that selects the tests, runs them once without a mutant, and then tries each
    mutant.
    """

    def __init__(self, order: Order) -> None:
        self.unfit: dict[str, str] = {}
        self._order = order

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self) -> None:
        """Make Hypothesis use few examples, the same each time, and not shrink them."""
        import hypothesis  # late: pytest must rewrite its asserts first

        hypothesis.settings.register_profile(
            "mutants",
            deadline=None,
            database=None,
            derandomize=True,
            max_examples=30,
            phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
            suppress_health_check=tuple(hypothesis.HealthCheck),
        )
        hypothesis.settings.load_profile("mutants")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out tests of servers and of other databases."""
        items[:] = [item for item in items if _in_process(item)]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """See the calls of each test and try the mutants, in place of pytest's own loop."""
        order = self._order
        order.folder.mkdir(parents=True, exist_ok=True)
        self._make_common_fixtures(session)
        kept = order.folder / "watched.json"
        ran = watched(session, kept, order.scratch, order.tell, again=order.again)
        self.unfit |= {test: "fails" for test, each in ran.items() if not each.passed}
        short = {test: each for test, each in ran.items() if each.seconds < _TOO_LONG_SECONDS}
        self._make_all_imports(session, short)
        trial = Trial(session, order, Hits(short))
        trial.run()
        self.unfit |= dict.fromkeys(trial.unsteady, "fails alone")
        return True

    def _make_all_imports(self, session: pytest.Session, ran: Mapping[str, Ran]) -> None:
        """Run one test of each file, so that children need not import or compile anything.

        The test is the one that calls most functions of those that pass and are not too long.
        """
        threads = threading.active_count()
        first: dict[Path, pytest.Item] = {}
        for item in sorted(
            session.items, key=lambda item: len(ran.get(item.nodeid, _NONE).functions)
        ):
            if item.nodeid in ran and ran[item.nodeid].passed:
                first[item.path] = item  # the last one calls most functions
        for item in first.values():
            run_one(session, item, None)
        if threading.active_count() > threads:  # nothing unlocks a thread's locks in children
            self._order.tell(f"threads are left: {threading.enumerate()[threads:]}")

    def _make_common_fixtures(self, session: pytest.Session) -> None:
        """Make the fixtures of the session, such as migrated databases, once for all children."""
        place_temporary_files(session, self._order.scratch)
        made: set[str] = set()
        for item in session.items:
            fixtures = item._fixtureinfo.name2fixturedefs  # type: ignore[attr-defined]
            wanted = {name for name, found in fixtures.items() if found[-1].scope == "session"}
            if wanted - made:
                run_one(session, item, None)
                made |= wanted


def _in_process(item: pytest.Item) -> bool:
    """Tell whether the test needs neither a server nor another database than SQLite."""
    if not isinstance(item, pytest.Function):
        return False
    spec = getattr(item, "callspec", None)
    values = " ".join(map(str, spec.params.values())) if spec else ""
    if any(server in values for server in _SERVERS):
        return False
    return not any(name.startswith(_SERVERS) for name in item.fixturenames)
