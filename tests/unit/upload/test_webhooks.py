"""Tests of `/v1/webhooks`: endpoints, and who may manage them."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from servicekit.outbound.rules import Rules
from servicekit.outbound.sender import Sender
from servicekit.problems import ProblemError
from servicekit.tokens import Principal
from tests.servers.upload import UploadService
from tests.servers.webhook_requests import URL, Endpoints, endpoints_of, problem
from wharf_upload import webhook_bootstrap
from wharf_upload.domain.webhooks import EventFilter
from wharf_upload.webhooks.endpoint_catalog import EndpointCatalog, Shown

ABSENT = "0" * 32
ACTS: tuple[tuple[str, str, object], ...] = (
    ("GET", "", None),
    ("PATCH", "", {}),
    ("POST", "/test", None),
    ("POST", "/rotate", None),
    ("POST", "/enable", None),
    ("POST", "/replay", {"after": "0"}),
    ("GET", "/deliveries", None),
    ("GET", "/deliveries/test-1", None),
    ("POST", "/deliveries/test-1/retry", None),
    ("DELETE", "", None),
)


@pytest.fixture
def hooks(upload: UploadService) -> Iterator[Endpoints]:
    """Yield a service whose operator allows receivers on one local address."""
    found = endpoints_of(upload)
    yield found
    found.upload.database.close()


def test_creation(hooks: Endpoints) -> None:
    """A new endpoint is active, and only the response to its creation has the secret."""
    fields = {"description": "Hook", "kinds": ["file.created"], "bucket": "photos", "prefix": "a/"}
    reply = hooks.ask("POST", "", {"url": URL, "ordered": True, **fields})
    assert reply.status_code == 201
    made = json.loads(reply.data)
    assert made["secret"].startswith("whsec_")
    endpoint = made["endpoint"]
    empty = dict.fromkeys(("reason", "failing_since", "missed_at", "replay"))
    assert endpoint == {
        **fields,
        **empty,
        "id": endpoint["id"],
        "url": URL,
        "ordered": True,
        "state": "active",
        "created_at": endpoint["created_at"],
    }
    assert hooks.found(endpoint["id"]) == endpoint
    assert json.loads(hooks.ask("GET").data) == {"endpoints": [endpoint]}
    assert "whsec_" not in hooks.ask("GET").text + hooks.ask("GET", f"/{endpoint['id']}").text


def test_the_list_is_in_order_of_creation(hooks: Endpoints) -> None:
    """A tenant has at most 20 endpoints, which the list shows in the order of their creation."""
    made = [hooks.create(description=str(number))["id"] for number in range(20)]
    assert [one["id"] for one in json.loads(hooks.ask("GET").data)["endpoints"]] == made
    refused = hooks.ask("POST", "", {"url": URL})
    assert problem(refused) == (409, "tenant-limit-reached")
    assert json.loads(refused.data)["limit_count"] == 20
    assert hooks.ask("DELETE", f"/{made[7]}").status_code == 204
    assert hooks.ask("POST", "", {"url": URL}).status_code == 201


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://ada:secret@192.0.2.1/", "has a user or a password"),
        ("https://ada@192.0.2.1/", "has a user or a password"),
        ("http://93.184.216.34/", "does not begin with https://"),
        ("ftp://93.184.216.34/", "does not begin with https://"),
        ("93.184.216.34/hook", "does not begin with https://"),
        ("https://93.184.216.34:25/", "port 25 is not allowed"),
        ("http://127.0.0.9:80/", "port 80 is not allowed"),
        ("https://93.184.216.34:0/", "not a number from 1 to 65535"),
        ("https://93.184.216.34:65536/", "not a number from 1 to 65535"),
        ("https://93.184.216.34/#part", "has a fragment"),
        ("https://127.0.0.2/", "not public"),
        ("https://10.0.0.1/", "not public"),
        ("https://192.168.1.1/", "not public"),
        ("https://169.254.169.254/latest/meta-data/", "not public"),
        ("https://localhost/", "not public"),
        ("https://[::1]/", "not public"),
        ("https://[fe80::1]/", "not public"),
        ("https://[fd00::1]/", "not public"),
        ("https://[::ffff:10.0.0.1]/", "not public"),
        ("https://[::ffff:a00:1]/", "not public"),
        ("https://[64:ff9b::a00:1]/", "not public"),
        ("https://[2002:a00:1::]/", "not public"),
        ("https://[fe80::1%25eth0]/", ""),
        ("https://2130706433/", "a number, but not an IPv4 address"),
        ("https://0x7f.1/", "a number, but not an IPv4 address"),
        ("https://0177.0.0.1/", "a number, but not an IPv4 address"),
        ("https://127.1/", "a number, but not an IPv4 address"),
        ("https://127.0.0.1./", "not a name of letters"),
        ("https://\uff11\uff12\uff17.0.0.1/", "a character that URLs do not have"),
        ("https://10.0.0.1\\@93.184.216.34/", "a character that URLs do not have"),
        ("https://10.0.0.1\t/", "a character that URLs do not have"),
        ("https:///hook", "not a name of letters"),
    ],
)
def test_urls_that_are_not_allowed(hooks: Endpoints, url: str, reason: str) -> None:
    """A URL that could reach an internal address gets 422 with the reason, at creation and later.

    Nothing is stored.
    """
    known = hooks.create()
    for method, path in (("POST", ""), ("PATCH", f"/{known['id']}")):
        refused = hooks.ask(method, path, {"url": url})
        assert problem(refused) == (422, "endpoint-not-allowed"), refused.text
        assert reason in json.loads(refused.data)["detail"]
    assert json.loads(hooks.ask("GET").data) == {"endpoints": [known]}


@pytest.mark.parametrize(
    "url",
    [
        "https://93.184.216.34/hook?a=b",
        "https://93.184.216.34:8443/",
        "HTTPS://93.184.216.34/",
        "https://[2606:2800:220:1:248:1893:25c8:1946]/",
        "http://127.0.0.9:1024/",
        "http://127.0.0.9:443/",
        "https://127.0.0.9/",
    ],
)
def test_urls_that_are_allowed(hooks: Endpoints, url: str) -> None:
    """An https URL with a public address is allowed, and each URL of a host that is allowed."""
    assert hooks.create(url=url)["url"] == url


def _created(hooks: Endpoints, error: OSError) -> Shown:
    """Create an endpoint while the resolver raises an error."""

    def failing(_: str) -> list[str]:
        raise error

    records, settings = hooks.upload.records, hooks.upload.settings
    catalog = EndpointCatalog(
        records.endpoints,
        records.deliveries,
        lambda: Sender(Rules(), resolver=failing),
        webhook_bootstrap.secrets_of(settings),
        time.time,
    )
    caller = Principal("demo", "ops", frozenset(("webhooks:admin",)), "token", 1 << 40)
    return catalog.create(
        caller,
        url="https://hooks.example",
        description="",
        wanted=EventFilter(),
        ordered=False,
    )


def test_a_host_without_an_address(hooks: Endpoints) -> None:
    """The URL of a host that no name server knows is refused with `endpoint-not-allowed`."""
    with pytest.raises(ProblemError) as error:
        _created(hooks, socket.gaierror(socket.EAI_NONAME, "unknown"))
    assert error.value.problem.slug == "endpoint-not-allowed"
    assert "has no address" in error.value.detail


def test_dns_that_does_not_answer(hooks: Endpoints) -> None:
    """An endpoint can be created while DNS does not answer; the sender checks it later."""
    shown = _created(hooks, socket.gaierror(socket.EAI_AGAIN, "later"))
    assert shown.endpoint.url == "https://hooks.example"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"kinds": ["file.scanned", "next.kind"]}, 201),
        ({"kinds": [f"k{'x' * 39}"] * 32}, 201),
        ({"kinds": [f"k{'x' * 40}"]}, 422),
        ({"kinds": ["file.created"] * 33}, 422),
        ({"kinds": ["File.Created"]}, 422),
        ({"kinds": ["file.created\n"]}, 422),
        ({"kinds": "file.created"}, 422),
        ({"description": "x" * 200}, 201),
        ({"description": "x" * 201}, 422),
        ({"prefix": "x" * 1024}, 201),
        ({"prefix": "x" * 1025}, 422),
        ({"url": f"{URL}?{'x' * 2000}"}, 422),
        ({"url": ""}, 422),
        ({"url": None}, 422),
        ({"ordered": "yes"}, 422),
        ({"secret": "whsec_mine"}, 422),
        ({"state": "paused"}, 422),
    ],
)
def test_fields(hooks: Endpoints, fields: dict[str, Any], status: int) -> None:
    """Kinds may be unknown to this release; fields that are too long or unknown get 422."""
    assert hooks.ask("POST", "", {"url": URL, **fields}).status_code == status


@pytest.mark.parametrize("bucket", ["Photos", "a/b", "x" * 64, "é"])
def test_names_of_buckets(hooks: Endpoints, bucket: str) -> None:
    """A filter for a bucket that cannot exist gets 400 `invalid-key`; the bucket may be absent."""
    known = hooks.create(bucket="absent-bucket")
    for method, path in (("POST", ""), ("PATCH", f"/{known['id']}")):
        refused = hooks.ask(method, path, {"url": URL, "bucket": bucket})
        assert problem(refused) == (400, "invalid-key"), refused.text


def test_a_change(hooks: Endpoints) -> None:
    """A change sets the properties that it names; `null` removes a bucket or a prefix."""
    made = hooks.create(kinds=["file.created"], bucket="photos", prefix="a/", description="x")
    place = f"/{made['id']}"
    assert json.loads(hooks.ask("PATCH", place, {}).data) == made
    changed = {"url": f"{URL}/2", "ordered": True, "kinds": [], "bucket": None}
    reply = hooks.ask("PATCH", place, changed)
    assert reply.status_code == 200
    assert json.loads(reply.data) == {**made, **changed} == hooks.found(made["id"])
    assert json.loads(hooks.ask("PATCH", place, {"prefix": None}).data)["prefix"] is None
    for body in ({"description": None}, {"kinds": None}, {"paused": 1}, {"id": ABSENT}):
        assert hooks.ask("PATCH", place, body).status_code == 422, body


def test_a_pause(hooks: Endpoints) -> None:
    """A paused endpoint makes no deliveries, and continues with the events of the pause."""
    made = hooks.create()
    place = f"/{made['id']}"
    assert json.loads(hooks.ask("PATCH", place, {"paused": True}).data)["state"] == "paused"
    hooks.upload.put("a.txt", b"a")
    hooks.fan_out(made["id"])
    assert hooks.found(made["id"], "/deliveries")["deliveries"] == []
    assert json.loads(hooks.ask("PATCH", place, {"paused": False}).data)["state"] == "active"
    hooks.fan_out(made["id"])
    assert len(hooks.found(made["id"], "/deliveries")["deliveries"]) == 1


def test_a_rotation(hooks: Endpoints) -> None:
    """Each rotation shows a new secret, and the endpoint stays the same."""
    made = hooks.create()
    shown = [json.loads(hooks.ask("POST", f"/{made['id']}/rotate").data) for _ in range(3)]
    assert len({one["secret"] for one in shown}) == 3
    assert [one["endpoint"] for one in shown] == [made] * 3


def test_a_deletion(hooks: Endpoints) -> None:
    """A deleted endpoint gets 404, and leaves no deliveries."""
    made = hooks.create()
    hooks.ask("POST", f"/{made['id']}/test")
    assert hooks.ask("DELETE", f"/{made['id']}").status_code == 204
    assert hooks.ask("DELETE", f"/{made['id']}").status_code == 404
    assert hooks.upload.records.deliveries.deliveries("demo", made["id"], limit=9) == []


@pytest.mark.parametrize(("method", "path", "body"), ACTS)
def test_endpoints_of_others(hooks: Endpoints, method: str, path: str, body: object) -> None:
    """An endpoint of another tenant is like an absent one, and so is a text that is no id."""
    theirs = hooks.create()
    told = []
    for name in (theirs["id"], ABSENT, "x", theirs["id"].upper(), theirs["id"] + "0"):
        reply = hooks.ask(method, f"/{name}{path}", body, tid="other")
        told.append((problem(reply), json.loads(reply.data)["detail"]))
    assert told[0][0] == (404, "not-found")
    assert set(told) == {told[0]}
    assert json.loads(hooks.ask("GET", "", None, tid="other").data) == {"endpoints": []}
    assert hooks.found(theirs["id"]) == theirs


@pytest.mark.parametrize(("method", "path", "body"), ACTS)
def test_the_scope(hooks: Endpoints, method: str, path: str, body: object) -> None:
    """A client without `webhooks:admin` gets 403, with any other scopes."""
    scope = "files:read files:write files:delete buckets:admin events:read tenants:admin"
    made = hooks.create()
    refused = hooks.ask(method, f"/{made['id']}{path}", body, scope=scope)
    assert problem(refused) == (403, "insufficient-scope")
    assert json.loads(refused.data)["required_scope"] == "webhooks:admin"
