"""The page of one endpoint: its states, secrets, replays and deliveries."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers.console import Console
from tests.servers.console_people import changes
from tests.servers.console_webhooks import (
    DELIVERY,
    SECRET,
    delivery_document,
    serve_webhooks,
)
from tests.servers.fake_gateway import Reply, problem
from tests.unit.console.test_templates import check
from tests.unit.console.test_webhooks import API, LIST, ONE, once, page


@pytest.fixture(autouse=True)
def _webhooks(console: Console) -> None:
    serve_webhooks(console.gateway)


@pytest.mark.parametrize(
    ("state", "offered"),
    [
        ("active", {"pause"}),
        ("paused", {"continue"}),
        ("disabled", {"enable"}),
    ],
)
def test_the_states(console: Console, state: str, offered: set[str]) -> None:
    """The page offers the acts that fit the state of the endpoint, and says why it is disabled."""
    shown = page(console, state=state, reason="It is gone." if state == "disabled" else None)
    found = {act for act in ("pause", "continue", "enable") if f'action="{ONE}/{act}"' in shown}
    assert found == offered
    assert ("It is gone." in shown) == (state == "disabled")


@pytest.mark.parametrize(
    ("act", "form", "method", "path", "body"),
    [
        ("pause", {}, "PATCH", API, {"paused": True}),
        ("continue", {}, "PATCH", API, {"paused": False}),
        ("enable", {"from": "now"}, "POST", f"{API}/enable", {"from": "now"}),
        ("enable", {"from": "stopped"}, "POST", f"{API}/enable", {"from": "stopped"}),
        ("enable", {}, "POST", f"{API}/enable", {"from": "stopped"}),
    ],
)
def test_changes_of_the_state(
    console: Console, act: str, form: dict[str, str], method: str, path: str, body: object
) -> None:
    """Each act sends one request to the API, and leads back to the page with a message."""
    browser = console.person()
    reply = browser.post(f"{ONE}/{act}", form)
    assert (reply.status_code, reply.location) == (303, ONE)
    [call] = console.gateway.called(method, path)
    assert call.json == body
    assert 'class="message success"' in browser.get(ONE).text


def test_a_new_secret(console: Console) -> None:
    """A rotation asks first, shows the secret once, and is not repeated by a reload."""
    browser = console.person()
    assert "For 24 hours" in browser.get(f"{ONE}/rotate").text
    form = {"confirmed": "yes", "once": once(browser, f"{ONE}/rotate")}
    reply = browser.post(f"{ONE}/rotate", form)
    assert reply.status_code == 201
    assert f'value="{SECRET}"' in reply.text
    assert browser.post(f"{ONE}/rotate", form).status_code == 303
    assert "shown once" in browser.get(ONE).text
    assert len(console.gateway.called("POST", f"{API}/rotate")) == 1


def test_a_deletion(console: Console) -> None:
    """A deletion asks first, and leads to the list."""
    browser = console.person()
    assert "Delete this endpoint?" in browser.get(f"{ONE}/delete").text
    assert changes(console.gateway) == []
    reply = browser.post(f"{ONE}/delete", {"confirmed": "yes"})
    assert (reply.status_code, reply.location) == (303, LIST)
    assert len(console.gateway.called("DELETE", API)) == 1


def test_an_endpoint_that_is_gone(console: Console) -> None:
    """The page of an endpoint that does not exist is an error page with 404."""
    console.gateway.on("GET", API, problem(404, "not-found", "No endpoint has this id."))
    assert console.person().get(ONE).status_code == 404


def test_a_test(console: Console) -> None:
    """A test leads to the page of its delivery."""
    reply = console.person().post(f"{ONE}/test")
    assert (reply.status_code, reply.location) == (303, f"{ONE}/deliveries/test-7")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {},
            ["500", "The receiver answered 500.", "It is broken.", "38 ms", "Next try", "Try now"],
        ),
        ({"status": None, "error": "No connection."}, ["No connection."]),
        ({"state": "done", "status": 204, "next_at": None}, ["delivered", "204", "Deliver again"]),
        ({"attempts": 0, "status": None, "error": None, "answer": None}, ["not tried yet"]),
        ({"kind": "webhook.test", "id": "test-7"}, ["Delivery: Test", "test-7"]),
    ],
)
def test_a_delivery(console: Console, fields: dict[str, Any], words: list[str]) -> None:
    """The page of a delivery shows the result of the last try, with the receiver's answer."""
    found = Reply(delivery_document(**fields))
    console.gateway.on("GET", f"{API}/deliveries/{DELIVERY}", found)
    shown = console.person().get(f"{ONE}/deliveries/{DELIVERY}").text
    check(ONE, shown)
    assert [one for one in words if one not in shown.replace("\N{NO-BREAK SPACE}", " ")] == []


def test_a_retry(console: Console) -> None:
    """A retry leads back to the page of the delivery."""
    place = f"{ONE}/deliveries/{DELIVERY}"
    reply = console.person().post(f"{place}/retry")
    assert (reply.status_code, reply.location) == (303, place)
    assert len(console.gateway.called("POST", f"{API}/deliveries/{DELIVERY}/retry")) == 1


@pytest.mark.parametrize(
    ("form", "body"),
    [
        ({}, {"after": "0"}),
        ({"failed_only": "y"}, {"after": "0", "failed_only": True}),
        ({"since": "2026-11-18T10:00"}, {"since": "2026-11-18T10:00:00Z"}),
        (
            {"since": "2026-11-18T10:00", "zone": "Asia/Shanghai"},
            {"since": "2026-11-18T02:00:00Z"},
        ),
        (
            {"since": "2026-11-18T10:00", "zone": "nowhere", "failed_only": "y"},
            {"since": "2026-11-18T10:00:00Z", "failed_only": True},
        ),
    ],
)
def test_a_replay(console: Console, form: dict[str, str], body: object) -> None:
    """A replay begins with the oldest event or at a time of the person's zone."""
    reply = console.person().post(f"{ONE}/replay", form)
    assert (reply.status_code, reply.location) == (303, ONE)
    [call] = console.gateway.called("POST", f"{API}/replay")
    assert call.json == body


def test_replays_that_are_refused(console: Console) -> None:
    """A time that is none is refused at its field, and a second replay above the form."""
    browser = console.person()
    wrong = browser.post(f"{ONE}/replay", {"since": "yesterday"})
    assert wrong.status_code == 422
    assert '<small id="since-error" class="error">' in wrong.text
    console.gateway.on("POST", f"{API}/replay", problem(409, "replay-under-way", "One is."))
    second = browser.post(f"{ONE}/replay")
    assert second.status_code == 422
    assert 'role="alert">One is.' in second.text


def test_the_progress_of_a_replay(console: Console) -> None:
    """The page of an endpoint shows how far its replay is, and offers no second one."""
    times = {"position_at": "2026-11-18T10:00:00Z", "until_at": "2026-11-18T12:00:00Z"}
    shown = page(console, replay={**times, "failed_only": False})
    assert "A replay is under way." in shown
    assert all(f'datetime="{time}' in shown for time in ("2026-11-18T10:00", "2026-11-18T12:00"))
    assert f'href="{ONE}/replay"' not in shown
    beginning = page(console, replay={**times, "position_at": None, "failed_only": True})
    assert "A replay is under way." in beginning


def test_missed_events(console: Console) -> None:
    """The page says when events were deleted before the endpoint received them."""
    assert "Events were deleted" in page(console, missed_at="2026-11-18T10:00:00Z")


def test_the_log(console: Console) -> None:
    """The log keeps its filter over its pages; a wrong filter or cursor shows the first page."""
    log = {"deliveries": [delivery_document(state="failed")], "next_cursor": "c2"}

    def answer(call: Any) -> Reply:
        refused = call.query.get("cursor") == ["wrong"]
        return problem(400, "malformed-request", "x") if refused else Reply(log)

    console.gateway.on("GET", f"{API}/deliveries", answer)
    browser = console.person()
    shown = browser.get(f"{ONE}?state=failed&cursor=c1").text
    assert f'href="{ONE}?state=failed&amp;cursor=c2" rel="next"' in shown
    assert f'href="{ONE}?state=failed">First page' in shown
    assert '<option selected value="failed">' in shown
    asked = [call.query for call in console.gateway.called("GET", f"{API}/deliveries")]
    assert asked == [{"state": ["failed"], "cursor": ["c1"], "limit": ["25"]}]
    assert browser.get(f"{ONE}?state=lost&cursor=wrong").status_code == 200
    asked = [call.query for call in console.gateway.called("GET", f"{API}/deliveries")]
    assert asked[1:] == [{"cursor": ["wrong"], "limit": ["25"]}, {"limit": ["25"]}]


def test_an_empty_log(console: Console) -> None:
    """An empty log says what appears in it."""
    console.gateway.on("GET", f"{API}/deliveries", Reply({"deliveries": []}))
    browser = console.person()
    assert "Nothing was delivered yet." in browser.get(ONE).text
    assert "There is no such delivery." in browser.get(f"{ONE}?state=done").text
