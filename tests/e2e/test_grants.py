"""Grants through nginx: a change applies to every request, even to uploads under way."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.servers.promised import holds as hold_soon
from tests.servers.promised import pass_the_rest
from tests.servers.wharf.api_client import LARGE, SMALL, Answer, ApiClient
from tests.servers.wharf.live_client import Stream, listening
from tests.servers.wharf.multipart_body import CONTENT_TYPE, field_part, file_part, multipart_body
from tests.servers.wharf.raw_http import RawConnection, head
from tests.servers.wharf.tenants import ALL_SCOPES, Tenants
from tests.servers.wharf.tus_client import OCTETS, Tus

SCOPES = [*ALL_SCOPES, "events:read"]
TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"
FULL = ["read", "write", "delete", "list"]
Send = Callable[[ApiClient], Answer]


def grants(*prefixes: str, actions: list[str] | None = None) -> list[dict[str, Any]]:
    return [
        {"bucket": "default", "prefix": prefix, "actions": actions or FULL} for prefix in prefixes
    ]


class Member:
    """A client of a tenant, with its grants, its token, and a group to which it may belong."""

    def __init__(self, tenants: Tenants, owner: ApiClient, own: object) -> None:
        self.admin, self.base = tenants.admin, f"/auth/v1/tenants/{owner.tenant}"
        wanted = {"name": "member", "scopes": SCOPES, "grants": own}
        made = self.sent("POST", "/clients", wanted, 201)
        self.id, self.secret = made["client_id"], made["client_secret"]
        self.api = owner.using(self.token())

    def sent(self, method: str, path: str, content: object, status: int) -> Any:
        """Send a request to auth as an administrator, and return its JSON."""
        answer = self.admin.send_json(method, f"{self.base}{path}", content)
        assert answer.status == status, answer.body
        return answer.json() if answer.body else None

    def token(self) -> str:
        """Return a new token."""
        answer = self.admin.using(None).login(self.id, self.secret)
        assert answer.status == 200, answer.body
        return str(answer.json()["access_token"])

    def set(self, own: object) -> None:
        """Set the client's own grants."""
        self.sent("PATCH", f"/clients/{self.id}", {"grants": own}, 200)

    def group(self, granted: object) -> str:
        """Add the client to a new group, and return the group's id."""
        made = self.sent("POST", "/groups", {"name": "team", "grants": granted}, 201)
        group = str(made["group_id"])
        answer = self.admin.request("PUT", f"{self.base}/groups/{group}/members/{self.id}")
        assert answer.status in {200, 201, 204}, answer.body
        return group

    def ticket(self, **rules: str) -> str:
        """Return the path of a ticket that the client gets by token exchange."""
        fields = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": str(self.api.token),
            "subject_token_type": TOKEN_TYPE,
            "ticket": json.dumps({"bucket": "default", **rules}),
        }
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        anyone = self.api.using(None)
        answer = anyone.request("POST", "/auth/oauth/token", urlencode(fields).encode(), kind)
        assert answer.status == 200, answer.body
        return f"/u/{answer.json()['access_token']}"

    def link(self, **wanted: str) -> str:
        """Return the path of a new link."""
        answer = self.api.send_json("POST", "/v1/links", {"bucket": "default", **wanted})
        assert answer.status == 201, answer.body
        url = str(answer.json()["url"])
        return url[url.index("/s/") :]


@pytest.fixture
def owner(tenants: Tenants) -> ApiClient:
    """Return a client without a list of grants, of a new tenant."""
    api = tenants.tenant(*SCOPES)
    api.stored("in/there", b"in")
    api.stored("out/there", b"out")
    return api


_NUMBERS = itertools.count()


def ways(member: Member, folder: str) -> dict[str, Send]:
    """Return requests of every kind that names a key below a folder; each can be repeated."""
    ticket, link = member.ticket(prefix=folder), member.link(prefix=folder)
    address = Tus(member.api).created(len(LARGE), bucket="default", key=f"{folder}tus")
    form = multipart_body(field_part("prefix", folder), file_part("form"))
    kind = {"Content-Type": CONTENT_TYPE}

    def new() -> str:
        return f"new-{next(_NUMBERS)}"

    def anyone(method: str, path: str, body: bytes | None = None) -> Answer:
        return member.api.using(None).request(method, path, body, kind if body == form else {})

    return {
        "file": lambda api: api.file(f"{folder}there"),
        "metadata": lambda api: api.get(f"/v1/metadata/default/{folder}there"),
        "small": lambda api: api.put(f"{folder}{new()}", SMALL),
        "large": lambda api: api.put(f"{folder}{new()}", LARGE),
        "form": lambda api: api.post_body(form),
        "tus": lambda api: Tus(api).create(
            len(LARGE), LARGE, None, bucket="default", key=f"{folder}{new()}"
        ),
        "going on": lambda api: Tus(api).head(address),
        "list": lambda api: _listed(api, folder),
        "ticket": lambda _: anyone("PUT", f"{ticket}/{folder}{new()}", SMALL),
        "large ticket": lambda _: anyone("PUT", f"{ticket}/{folder}{new()}", LARGE),
        "form of a ticket": lambda _: anyone("POST", ticket, form),
        "link": lambda _: anyone("GET", f"{link}there"),
    }


def _listed(api: ApiClient, folder: str) -> Answer:
    """Return the list of a folder, or a 404 if the folder is empty."""
    answer = api.get(f"/v1/files/default?prefix={folder}")
    assert answer.status in {200, 404}
    return answer if answer.status == 404 or answer.json()["files"] else api.get("/absent")


def open_ways(member: Member, sent: dict[str, Send]) -> list[str]:
    """Return the names of the requests that at least one of the workers allows."""
    return [way for way, send in sent.items() if any(_good(send(member.api)) for _ in range(4))]


def _good(answer: Answer) -> bool:
    # A response to HEAD has no body, and thus no slug. A worker that does not yet have a long list
    # from the feed responds with `unavailable`.
    known = {"not-found", "outside-grants", "unavailable", ""}
    assert answer.status < 300 or answer.slug in known, answer.body
    return answer.status < 300


def opens(member: Member, wanted: dict[str, Send]) -> None:
    """Wait until all requests succeed; workers learn of new groups and long lists by the feed."""
    assert hold_soon(lambda: open_ways(member, wanted) == list(wanted)), open_ways(member, wanted)


def holds(member: Member, closed: dict[str, Send]) -> None:
    """Wait until a change has closed all these requests."""
    assert hold_soon(lambda: not open_ways(member, closed)), open_ways(member, closed)


def test_a_change_of_a_group_holds_everywhere(tenants: Tenants, owner: ApiClient) -> None:
    """A changed group soon changes the reach of its members' tokens, tickets and links.

    A deleted group gives no reach. Uploads of the client that are then outside its reach become
    invisible to the client.
    """
    member = Member(tenants, owner, [])
    group = member.group(grants("in/"))
    member.api = owner.using(member.token())
    within = ways(member, "in/")
    opens(member, within)
    member.sent("PATCH", f"/groups/{group}", {"grants": grants("in/", "out/")}, 200)
    assert hold_soon(lambda: all(_good(member.api.file("out/there")) for _ in range(20)))
    beyond = ways(member, "out/")
    member.sent("PATCH", f"/groups/{group}", {"grants": grants("out/")}, 200)
    holds(member, within)
    assert open_ways(member, beyond) == list(beyond)
    assert tenants.admin.request("DELETE", f"{member.base}/groups/{group}").status == 204
    holds(member, beyond)


def test_a_change_of_ones_own_grants_holds_everywhere(tenants: Tenants, owner: ApiClient) -> None:
    """A new list of grants narrows a client in every kind of request, even with its old token."""
    member = Member(tenants, owner, None)
    within, beyond = ways(member, "in/"), ways(member, "out/")
    opens(member, within)
    opens(member, beyond)
    member.set(grants("out/"))
    holds(member, within)
    assert open_ways(member, beyond) == list(beyond)
    member.set(grants("out/", actions=["list"]))
    holds(member, {way: send for way, send in beyond.items() if way != "list"})
    assert open_ways(member, beyond) == ["list"]


def test_listeners_hear_what_they_may_read_now(tenants: Tenants, owner: ApiClient) -> None:
    """An open event stream continues after a change of grants, with the keys of the new reach."""
    member = Member(tenants, owner, grants("in/"))
    streamed: list[str] = []

    def heard(name: str) -> bool:
        owner.stored(f"in/{name}")
        owner.stored(f"out/{name}")
        for *_, document in events:
            streamed.append(document["file"]["key"])
            if streamed[-1].endswith(name):
                break
        assert listener.hears(streamed[-1])
        return True

    def hears_of_today() -> bool:
        name = f"new-{next(_NUMBERS)}"
        assert heard(name)
        return f"in/{name}" not in (*listener.keys(), *streamed)

    with Stream(member.api, "/v1/events?after=0") as stream, listening(member.api, 0) as listener:
        events = stream.events()
        assert heard("before")
        member.set(grants("out/"))
        assert hold_soon(hears_of_today)
        now = len(streamed)
        assert heard("after")
        assert streamed[now:] == ["out/after"]
        keys = listener.keys()
        assert [key for key in keys if key.endswith("after")] == ["out/after"]


def test_a_change_while_a_stream_comes(tenants: Tenants, owner: ApiClient) -> None:
    """An upload whose key leaves the client's reach stores no file and becomes invisible."""
    member = Member(tenants, owner, None)
    address = Tus(member.api).created(len(LARGE), bucket="default", key="in/streamed")
    request = head(
        f"PATCH {address} HTTP/1.1",
        f"Authorization: Bearer {member.api.token}",
        "Tus-Resumable: 1.0.0",
        "Upload-Offset: 0",
        f"Content-Type: {OCTETS}",
        f"Content-Length: {len(LARGE)}",
        "Connection: close",
    )
    with RawConnection(member.api.port) as connection:
        connection.send(request + LARGE[:1000])
        member.set(grants("out/"))
        changed = time.monotonic()
        gone = {"file": lambda api: api.file("in/there")}
        holds(member, gone)
        assert hold_soon(lambda: Tus(member.api).head(address).status == 404)
        # The process that receives the bytes is another one than those that have answered.
        pass_the_rest(changed)
        connection.send(LARGE[1000:])
        (answer,) = connection.answers()
    assert answer.status in {403, 404}
    assert owner.file("in/streamed").status == 404


def test_the_longest_claims_go_every_way(tenants: Tenants, owner: ApiClient) -> None:
    """The longest grants and tickets that fit into a token pass through nginx and admission.

    Longer lists reach upload by the feed, and allow the same requests.
    """
    own = grants("in/", *(f"p{number}/{'x' * 40}/" for number in range(7)))
    member = Member(tenants, owner, own)
    for number in range(4):
        group = {"name": f"group-{number}", "grants": grants(*(f"g{n}/" for n in range(12)))}
        made = member.sent("POST", "/groups", group, 201)
        path = f"{member.base}/groups/{made['group_id']}/members/{member.id}"
        assert tenants.admin.request("PUT", path).status in {200, 201, 204}
    member.api = owner.using(member.token())
    assert len(str(member.api.token)) > 2500
    within = ways(member, "in/")
    opens(member, within)
    long = Member(tenants, owner, grants("out/", *(f"{n}/{'x' * 100}/" for n in range(99))))
    assert hold_soon(lambda: all(_good(long.api.file("out/there")) for _ in range(20)))
    beyond = ways(long, "out/")
    opens(long, beyond)
    assert long.api.file("in/there").slug == "not-found"
