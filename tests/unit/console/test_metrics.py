"""Metrics of the console."""

from __future__ import annotations

from prometheus_client import REGISTRY

from tests.servers.console import Console
from tests.servers.console_documents import LOGIN, grant
from tests.servers.fake_gateway import Reply, problem


def counted(name: str, **labels: str) -> float:
    """Return a counter's value."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_logins_are_counted_by_outcome(console: Console) -> None:
    """Logins are counted by outcome; a form that is not sent to auth is not counted."""
    name = "wharf_console_logins_total"
    before = {outcome: counted(name, outcome=outcome) for outcome in ("ok", "refused")}
    console.person()
    console.gateway.on("POST", "/auth/login", problem(401, "login-refused"))
    console.visitor().post("/console/login", LOGIN)
    console.visitor().post("/console/login", {**LOGIN, "password": ""})
    assert counted(name, outcome="ok") == before["ok"] + 1
    assert counted(name, outcome="refused") == before["refused"] + 1


def test_refreshes_are_counted_by_outcome(console: Console) -> None:
    """Refreshes are counted by outcome, so that ended sessions and outages count separately."""
    name = "wharf_console_refreshes_total"
    outcomes = ("ok", "failed", "ended")
    before = {outcome: counted(name, outcome=outcome) for outcome in outcomes}
    browser = console.person()
    replies = (None, problem(503, "unavailable"), Reply({"error": "invalid_grant"}, 400))
    for reply in replies:
        console.clock.now += 1000
        grant(console.gateway)
        if reply is not None:
            console.gateway.on("POST", "/auth/oauth/token", reply)
        browser.get("/console/")
    assert {one: counted(name, outcome=one) - before[one] for one in outcomes} == {
        "ok": 1,
        "failed": 1,
        "ended": 1,
    }


def test_calls_without_an_answer_are_counted(console: Console) -> None:
    """Calls without a response are counted, so an alert can notice that the API is unreachable."""
    name = "wharf_console_api_unavailable_total"
    browser, before = console.person(), counted(name)
    console.gateway.close()
    browser.get("/console/")
    assert counted(name) == before + 1
