"""Tests of the deliveries of webhooks in the API: lists, tests, retries, replays and ends."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.servers.upload import UploadService
from tests.servers.webhook_requests import Endpoints, endpoints_of, problem
from wharf_upload.domain.webhooks import DISABLED_AFTER_SECONDS
from wharf_upload.http.event_cursors import cursor_of


@pytest.fixture
def hooks(upload: UploadService) -> Iterator[Endpoints]:
    """Yield a service whose operator allows receivers on one local address."""
    found = endpoints_of(upload)
    yield found
    found.upload.database.close()


def stored(hooks: Endpoints, *keys: str) -> list[str]:
    """Store files; return the ids of all events, the oldest first."""
    for key in keys:
        assert hooks.upload.put(key, b"text").status_code == 201
    return [one["id"] for one in events(hooks)]


def events(hooks: Endpoints) -> list[Any]:
    """Return all events of the tenant."""
    fields = {"Authorization": f"Bearer {hooks.upload.issuer.token(scope='events:read')}"}
    reply = hooks.upload.request("GET", "/v1/events?limit=1000", headers=fields)
    assert reply.status_code == 200, reply.text
    found: list[Any] = json.loads(reply.data)["events"]
    return found


def log(hooks: Endpoints, endpoint: str, query: str = "") -> list[Any]:
    """Return the deliveries of the first page."""
    found: list[Any] = hooks.found(endpoint, f"/deliveries{query}")["deliveries"]
    return found


def sent(hooks: Endpoints, endpoint: str, *keys: str, **answer: Any) -> list[str]:
    """Store files, and let the receiver answer; return the ids of all events."""
    names = stored(hooks, *keys)
    hooks.fan_out(endpoint)
    hooks.answer(endpoint, **answer)
    return names


def test_a_delivery(hooks: Endpoints) -> None:
    """A delivery is open with the time of its next try, and then has the result of its last try."""
    made = hooks.create()["id"]
    (event,) = stored(hooks, "a.txt")
    hooks.fan_out(made)
    (waiting,) = log(hooks, made)
    assert hooks.found(made, f"/deliveries/{event}") == waiting
    empty = dict.fromkeys(("status", "milliseconds", "answer", "error", "tried_at"))
    times = {name: waiting[name] for name in ("created_at", "next_at")}
    kind = {"id": event, "kind": "file.created"}
    assert waiting == {**kind, "state": "open", "attempts": 0, **empty, **times}
    hooks.answer(made, status=500, milliseconds=0, body="broken", error="The receiver failed.")
    (failing,) = log(hooks, made)
    assert (failing["state"], failing["attempts"], failing["status"]) == ("open", 1, 500)
    assert (failing["answer"], failing["error"]) == ("broken", "The receiver failed.")
    tried_at, next_at = (datetime.fromisoformat(failing[f"{one}_at"]) for one in ("tried", "next"))
    assert timedelta(seconds=4) < next_at - tried_at < timedelta(seconds=6)
    assert hooks.found(made)["failing_since"] == failing["tried_at"]


def test_no_answer(hooks: Endpoints) -> None:
    """A try without an answer has an error and no status."""
    made = hooks.create()["id"]
    sent(hooks, made, "a.txt", error="The connection was refused.", milliseconds=7)
    (found,) = log(hooks, made)
    assert (found["status"], found["answer"], found["milliseconds"]) == (None, None, 7)
    assert found["error"] == "The connection was refused."


def test_the_states(hooks: Endpoints) -> None:
    """The filter by state returns the deliveries in this state only."""
    made = hooks.create()["id"]
    sent(hooks, made, "done.txt", status=204)
    sent(hooks, made, "failing.txt", status=500)
    (done, failing) = (cursor["id"] for cursor in reversed(log(hooks, made)))
    assert [one["id"] for one in log(hooks, made, "?state=done")] == [done]
    assert [one["id"] for one in log(hooks, made, "?state=open")] == [failing]
    assert log(hooks, made, "?state=failed") == []
    refused = hooks.ask("GET", f"/{made}/deliveries?state=lost")
    assert problem(refused) == (400, "malformed-request")


def test_the_pages(hooks: Endpoints) -> None:
    """The pages together contain each delivery once, the newest first, and tests at the end."""
    made = hooks.create()["id"]
    names = stored(hooks, *"abcde")
    hooks.fan_out(made)
    tests = [json.loads(hooks.ask("POST", f"/{made}/test").data)["id"] for _ in range(3)]
    found, cursor, pages = [], "", 0
    while pages == 0 or cursor:
        page = hooks.found(made, f"/deliveries?limit=3&cursor={cursor}")
        found += [one["id"] for one in page["deliveries"]]
        cursor, pages = page["next_cursor"] or "", pages + 1
    assert (found, pages) == ([*reversed(names), *tests], 3)


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "cursor=x", "cursor=test-", "x=1"])
def test_queries_that_are_refused(hooks: Endpoints, query: str) -> None:
    """A wrong limit, a cursor that no page had, and an unknown parameter get 400."""
    assert hooks.ask("GET", f"/{hooks.create()['id']}/deliveries?{query}").status_code == 400


def test_a_test(hooks: Endpoints) -> None:
    """A test is a delivery of its own kind and no event, also for a paused endpoint."""
    made = hooks.create()["id"]
    hooks.ask("PATCH", f"/{made}", {"paused": True})
    reply = hooks.ask("POST", f"/{made}/test")
    assert reply.status_code == 202
    test = json.loads(reply.data)
    assert (test["kind"], test["state"]) == ("webhook.test", "open")
    assert test["id"].startswith("test-")
    assert log(hooks, made) == [hooks.found(made, f"/deliveries/{test['id']}")] == [test]
    assert events(hooks) == []


def test_a_retry(hooks: Endpoints) -> None:
    """A delivery that has ended begins again with all its tries; an open one stays as it is."""
    made = hooks.create()["id"]
    (event,) = sent(hooks, made, "a.txt", status=204)
    reply = hooks.ask("POST", f"/{made}/deliveries/{event}/retry")
    assert reply.status_code == 202
    begun = json.loads(reply.data)
    assert (begun["state"], begun["attempts"]) == ("open", 0)
    hooks.answer(made, status=500)
    again = json.loads(hooks.ask("POST", f"/{made}/deliveries/{event}/retry").data)
    assert (again["state"], again["attempts"], again["status"]) == ("open", 1, 500)
    hooks.answer(made, status=204)
    assert log(hooks, made)[0]["state"] == "done"


def test_retries_of_tests(hooks: Endpoints) -> None:
    """A test can be retried by its id."""
    made = hooks.create()["id"]
    test = json.loads(hooks.ask("POST", f"/{made}/test").data)["id"]
    hooks.answer(made, status=204)
    reply = hooks.ask("POST", f"/{made}/deliveries/{test}/retry")
    assert json.loads(reply.data)["id"] == test
    assert log(hooks, made)[0]["state"] == "open"


@pytest.mark.parametrize(("method", "act"), [("GET", ""), ("POST", "/retry")])
def test_deliveries_that_are_not_there(hooks: Endpoints, method: str, act: str) -> None:
    """An event without a delivery gets 404, and a text that is no id 400."""
    made = hooks.create(kinds=["file.deleted"])["id"]
    (event,) = stored(hooks, "a.txt")
    hooks.fan_out(made)
    told = {
        name: hooks.ask(method, f"/{made}/deliveries/{name}{act}").status_code
        for name in (event, "test-1", cursor_of("other", 5), "x", "test-x")
    }
    assert list(told.values()) == [404, 404, 400, 400, 400]


def replay(hooks: Endpoints, made: str, /, **body: object) -> TestResponse:
    return hooks.ask("POST", f"/{made}/replay", body)


def worked_off(hooks: Endpoints, endpoint: str) -> list[str]:
    """Do the work of the replay of an endpoint; return the events that it delivers again."""
    known = hooks.upload.records.endpoints.endpoint("demo", endpoint)
    assert known is not None
    assert known.replay is not None
    while hooks.upload.records.fan_out.replay_step("demo", endpoint, known.replay.id):
        pass
    return [one["id"] for one in reversed(log(hooks, endpoint, "?state=open"))]


def test_a_replay(hooks: Endpoints) -> None:
    """A replay delivers the events after one again, and the endpoint shows it until its end."""
    made = hooks.create()["id"]
    names, told = sent(hooks, made, *"abc", status=204), events(hooks)
    reply = replay(hooks, made, after=names[0])
    assert reply.status_code == 202
    begun = json.loads(reply.data)
    parts = {"position": names[0], "until": names[2], "failed_only": False}
    times = {name: begun["replay"][name] for name in ("position_at", "until_at")}
    assert begun["replay"] == {**parts, **times}
    assert told[0]["at"] <= times["position_at"] < times["until_at"] >= told[2]["at"]
    assert hooks.found(made) == begun
    assert problem(replay(hooks, made, after="0")) == (409, "replay-under-way")
    assert worked_off(hooks, made) == names[1:]
    assert hooks.found(made)["replay"] is None
    assert replay(hooks, made, after="0").status_code == 202


def test_the_parts_of_a_replay(hooks: Endpoints) -> None:
    """A replay has an end, kinds and a time of its beginning."""
    made = hooks.create()["id"]
    sent(hooks, made, *"abc", status=204)
    hooks.upload.request("DELETE", "/v1/files/default/b")
    names = sent(hooks, made, status=204)
    assert replay(hooks, made, after="0", until=names[1]).status_code == 202
    assert worked_off(hooks, made) == names[:2]
    hooks.answer(made, status=204)
    assert replay(hooks, made, after="0", kinds=["file.deleted"]).status_code == 202
    assert worked_off(hooks, made) == names[3:]
    hooks.answer(made, status=204)
    for hours, expected in ((-1, names), (1, [])):
        since = datetime.now(UTC) + timedelta(hours=hours)
        assert replay(hooks, made, since=since.isoformat()).status_code == 202
        assert worked_off(hooks, made) == expected
        hooks.answer(made, status=204)


def test_a_replay_of_failures(hooks: Endpoints) -> None:
    """With `failed_only`, a replay leaves out what was delivered and what is still open."""
    made = hooks.create()["id"]
    sent(hooks, made, "done", status=204)
    failed = sent(hooks, made, "failed", status=410)[-1]
    hooks.ask("POST", f"/{made}/enable")
    sent(hooks, made, "open", status=500)
    still_open = [one["id"] for one in reversed(log(hooks, made, "?state=open"))]
    assert replay(hooks, made, after="0", failed_only=True).status_code == 202
    assert worked_off(hooks, made) == [failed, *still_open]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"after": "0", "since": "2026-11-30T00:00:00Z"}, 422),
        ({"since": "2026-11-30T00:00:00"}, 422),
        ({"since": "yesterday"}, 422),
        ({"after": "x"}, 400),
        ({"after": ""}, 422),
        ({"after": cursor_of("other", 5)}, 400),
        ({"after": "test-1"}, 400),
        ({"after": "0", "until": "x"}, 400),
        ({"after": cursor_of("demo", 5), "until": cursor_of("demo", 4)}, 422),
        ({"after": "0", "kinds": "file.created"}, 422),
        ({"after": "0", "endpoint": "x"}, 422),
    ],
)
def test_replays_that_are_refused(hooks: Endpoints, body: dict[str, object], status: int) -> None:
    """A replay needs one beginning that belongs to the tenant, before its end."""
    made = hooks.create()["id"]
    assert replay(hooks, made, **body).status_code == status
    assert hooks.found(made)["replay"] is None


def test_410_disables(hooks: Endpoints) -> None:
    """An endpoint whose receiver answers 410 is disabled, and an event has the reason."""
    made = hooks.create()["id"]
    sent(hooks, made, "a.txt", status=410)
    found = hooks.found(made)
    assert (found["state"], found["reason"]) == ("disabled", "The receiver answered 410 Gone.")
    told = events(hooks)[-1]
    assert (told["kind"], told["file"]) == ("webhook.disabled", None)
    assert told["endpoint"] == {"endpoint": made, "reason": "The receiver answered 410 Gone."}
    paused = json.loads(hooks.ask("PATCH", f"/{made}", {"paused": False}).data)
    assert paused["state"] == "disabled"


def test_five_days_of_failures_disable(hooks: Endpoints) -> None:
    """An endpoint is disabled when all tries of five days have failed, and not before."""
    made = hooks.create()["id"]
    now = int(time.time() * 1000)
    later = now + DISABLED_AFTER_SECONDS * 1000
    tries = (("a", now, "active"), ("b", later - 1, "active"), ("c", later, "disabled"))
    for key, at, state in tries:
        sent(hooks, made, key, status=500, at=at)
        assert hooks.found(made)["state"] == state
    assert "5 days" in hooks.found(made)["reason"]


@pytest.mark.parametrize(
    ("body", "heard"), [(None, 2), ({"from": "stopped"}, 2), ({"from": "now"}, 1)]
)
def test_enabling(hooks: Endpoints, body: object, heard: int) -> None:
    """An endpoint that is enabled continues where it stopped, or only with new events."""
    made = hooks.create()["id"]
    sent(hooks, made, "a.txt", status=410)
    stored(hooks, "missed.txt")
    reply = hooks.ask("POST", f"/{made}/enable", body)
    assert reply.status_code == 200
    enabled = json.loads(reply.data)
    assert (enabled["state"], enabled["reason"], enabled["failing_since"]) == ("active", None, None)
    stored(hooks, "new.txt")
    hooks.fan_out(made)
    keys = [event["file"]["key"] for event in events(hooks)[-heard:] if event["file"]]
    kinds = [one["kind"] for one in log(hooks, made, "?state=open")]
    assert kinds.count("file.created") == len(keys) == heard
    assert hooks.ask("POST", f"/{made}/enable", {"from": "yesterday"}).status_code == 422
