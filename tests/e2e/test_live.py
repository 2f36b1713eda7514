"""The live channel through the gateway: who hears what, when it breaks, and who is sent away."""

from __future__ import annotations

import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from itertools import count, islice, takewhile
from typing import Any

import pytest

from tests.e2e import people
from tests.e2e.api_client import SMALL, ApiClient
from tests.e2e.browser.test_readme import blocks, run
from tests.e2e.instance import Wharf, running
from tests.e2e.live_client import SECONDS, Listener, Stream, listening, raw_listener, slug
from tests.e2e.multipart_body import field_part, file_part
from tests.e2e.raw_http import until
from tests.e2e.resumable.tus_client import Tus
from tests.e2e.tenants import ALL_SCOPES, Signer, Tenants
from tests.e2e.test_revocation import make_client

LISTENS = "events:read"
_QUEUED = 20
# Messages of which some are refused, and too few for a farewell.
_BURST = 40
# More than the floor for slow bodies, in a fiftieth of a second.
_PIECE = 8192
_ORIGIN = "https://app.example"


@pytest.fixture(scope="module")
def wharf() -> Iterator[Wharf]:
    """A Wharf whose live channel keeps few events for a client that does not read."""
    with running(WHARF_LIVE_QUEUED_EVENTS=str(_QUEUED)) as found:
        yield found


@pytest.fixture(scope="module")
def tenants(wharf: Wharf) -> Tenants:
    return Tenants(wharf)


@pytest.fixture(scope="module")
def signer(wharf: Wharf) -> Signer:
    return Signer(wharf)


@pytest.fixture
def api(signer: Signer) -> ApiClient:
    """A client of a tenant that this test alone uses, which may do and hear everything."""
    return signer.client(scope=" ".join((*ALL_SCOPES, LISTENS)))


def kill_live(wharf: Wharf) -> None:
    """kill -9 of the live channel; the process manager starts it again."""
    found = wharf.processes("live.log")
    assert found
    for pid in found:
        os.kill(pid, signal.SIGKILL)


def recorded(api: ApiClient) -> list[dict[str, Any]]:
    """All events of the tenant, as `GET /v1/events` has them."""
    answer = api.get("/v1/events?limit=1000")
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.json()["events"]
    return found


# ---- each event once ----


def test_every_event_once_and_in_order(wharf: Wharf, api: ApiClient) -> None:
    """Over kill -9 of the live channel a stock client hears each event once, in order, and as
    `GET /v1/events` has it.
    """
    with listening(api, 0) as listener:
        for number in range(30):
            api.stored(f"{number}.txt")
            if number in {8, 18}:
                assert listener.hears(f"{number}.txt")
                kill_live(wharf)
        api.delete("0.txt")
        assert until(lambda: len(listener.heard["event"]) >= 31, SECONDS)
        assert listener.heard["event"] == recorded(api)
        assert not listener.heard["resync"]


def test_after_and_from_now_on(api: ApiClient) -> None:
    """With `after` a connection begins behind that event; without it hears only what is new."""
    for number in range(3):
        api.stored(f"{number}.txt")
    first, *others = recorded(api)
    with listening(api, first["id"]) as after, listening(api) as now:
        assert until(lambda: after.heard["event"] == others, SECONDS)
        api.stored("new.txt")
        assert now.hears("new.txt")
        assert after.hears("new.txt")
        assert now.keys() == ["new.txt"]


def test_a_number_of_another_database(api: ApiClient) -> None:
    """Who comes with a number that was never given out is told to read anew, and hears the rest."""
    api.stored("old.txt")
    with listening(api, 10**9) as listener:
        assert until(lambda: listener.heard["resync"], SECONDS)
        assert listener.heard["resync"] == [{"after": recorded(api)[-1]["id"]}]
        api.stored("new.txt")
        assert listener.hears("new.txt")
        assert listener.keys() == ["new.txt"]


def test_polling(api: ApiClient) -> None:
    """Without WebSocket, by HTTP long-polling, a stock client hears the same."""
    with listening(api, 0, "polling") as listener:
        assert listener.client.transport() == "polling"
        api.stored("polled.txt")
        assert listener.hears("polled.txt")
        assert listener.heard["event"] == recorded(api)


# ---- who hears what ----


def test_other_tenants_hear_nothing(api: ApiClient, signer: Signer) -> None:
    """What happens to a tenant's files, and their progress, is told to this tenant alone."""
    other = signer.client(scope=" ".join((*ALL_SCOPES, LISTENS)))
    with listening(other, 0) as listener, listening(api, 0) as own:
        api.stored("secret.txt")
        Tus(api).patch(Tus(api).created(4, key="secret.bin"), 0, b"1234")
        assert own.hears("secret.bin")
        other.stored("own.txt")
        assert listener.hears("own.txt")
        assert listener.keys() == ["own.txt"]
        assert not listener.heard["progress"]


def test_scopes(api: ApiClient, signer: Signer) -> None:
    """Who may only write hears of its own files; who may read, of all; a ticket is refused."""
    writer = signer.client(tid=api.tenant, scope="files:write")
    reader = signer.client(tid=api.tenant, scope="files:read")
    rules = {"bucket": "default", "prefix": ""}
    ticket = signer.client(tid=api.tenant, scope="files:write", ticket=rules)
    with listening(writer, 0) as hears_own, listening(reader, 0) as hears_all:
        api.stored("of-another.txt")
        writer.stored("own.txt")
        assert hears_all.hears("own.txt")
        assert hears_own.hears("own.txt")
        assert hears_all.keys() == ["of-another.txt", "own.txt"]
        assert hears_own.keys() == ["own.txt"]
    assert Listener(api.port, ticket.token).connect().refusal == "insufficient-scope"


def test_buckets(api: ApiClient) -> None:
    """Who subscribes to a bucket hears of this one alone, until it unsubscribes."""
    assert api.send_json("PUT", "/v1/buckets/photos", {}).status == 201
    with listening(api, 0) as listener:
        assert listener.says("msg", {"op": "subscribe", "bucket": "photos"})["ok"]
        api.stored("unheard.txt")
        api.stored("heard.txt", bucket="photos")
        assert listener.hears("heard.txt")
        assert listener.says("msg", {"op": "unsubscribe", "bucket": "photos"})["ok"]
        api.stored("heard-too.txt")
        assert listener.hears("heard-too.txt")
        assert listener.keys() == ["heard.txt", "heard-too.txt"]


def test_chinese_names(api: ApiClient) -> None:
    """Names in Chinese arrive as they are, in events and in progress."""
    key = "头像/照片 一.txt"
    with listening(api, 0) as listener:
        tus = Tus(api)
        assert tus.patch(tus.created(len(SMALL), key=key), 0, SMALL).status == 204
        assert listener.hears(key)
    assert {document["key"] for document in listener.heard["progress"]} <= {key}


def test_progress_of_a_resumable_upload(wharf: Wharf, api: ApiClient) -> None:
    """While a body comes in its progress is told; also after kill -9 of the live channel."""
    length = 16 << 20
    tus = Tus(api)
    address = tus.created(length, key="large.bin")
    sent = 0

    def sends_until(holds: Callable[[], bool]) -> None:
        """Sends pieces until something holds."""
        nonlocal sent
        deadline = time.monotonic() + SECONDS
        while not holds():
            assert time.monotonic() < deadline, "no progress"
            if sent < length - _PIECE:
                connection.sendall(b"x" * _PIECE)
                sent += _PIECE
            time.sleep(0.02)

    with listening(api, 0) as listener, tus.begin(address, 0, length) as connection:
        reports = listener.heard["progress"]
        sends_until(lambda: bool(reports))
        kill_live(wharf)
        sends_until(lambda: not listener.client.connected)
        sends_until(lambda: listener.client.connected)
        heard = len(reports)
        sends_until(lambda: len(reports) > heard)
        connection.sendall(b"x" * (length - sent))
        assert listener.hears("large.bin")
    offsets = [document["offset"] for document in listener.heard["progress"]]
    assert sorted(offsets) == offsets
    for document in listener.heard["progress"]:
        assert document.keys() == {"upload", "bucket", "key", "offset", "length", "rate"}
        assert address.endswith(f"/{document['upload']}")
        assert (document["bucket"], document["key"]) == ("default", "large.bin")
        assert 0 <= document["offset"] <= document["length"] == length


# ---- what a client says ----


def test_the_tutorials_hello(api: ApiClient) -> None:
    """Any event but `msg` gets a result that is not ok, and the connection goes on."""
    with listening(api) as listener:
        listener.client.emit("hello", "Hello, server!")
        assert until(lambda: listener.heard["result"], SECONDS)
        (result,) = listener.heard["result"]
        assert (result["ok"], result["op"]) == (False, "hello")
        assert slug(result["problem"]) == "malformed-request"
        assert listener.says("msg", {"op": "ping"}) == {"ok": True, "op": "ping"}
        api.stored("still.txt")
        assert listener.hears("still.txt")


@pytest.mark.parametrize(
    "message", ["ping", 5, None, {}, {"op": 1}, {"op": "shout"}, {"op": "subscribe", "bucket": "/"}]
)
def test_malformed_messages(api: ApiClient, message: Any) -> None:
    """A message that is none gets a problem, and the connection goes on."""
    with listening(api) as listener:
        answer = listener.says("msg", message)
        assert not answer["ok"]
        assert slug(answer["problem"]) == "malformed-request"
        assert listener.says("msg", {"op": "ping"})["ok"]


def test_a_flood(api: ApiClient, signer: Signer) -> None:
    """Who floods is refused and then sent away; another tenant hears meanwhile."""
    other = signer.client(scope=" ".join((*ALL_SCOPES, LISTENS)))
    with listening(other, 0) as listener, raw_listener(api) as flood:
        for _ in range(_BURST):
            flood.emit("msg", {"op": "ping"})
        other.stored("meanwhile.txt")
        assert listener.hears("meanwhile.txt")
        said = flood.heard()
        heard = list(islice(said, _BURST))
        # One at a time: nothing is under way when the end comes.
        while len(heard) < 1000 and heard[-1][0] == "result":
            flood.emit("msg", {"op": "ping"})
            heard += islice(said, 1)
        assert list(said) == []
    *results, (name, document) = heard
    refused = [result for _, result in results if not result["ok"]]
    assert {slug(result["problem"]) for result in refused} == {"quota-exceeded"}
    assert (name, slug(document["problem"])) == ("bye", "quota-exceeded")


def test_a_slow_reader(wharf: Wharf, api: ApiClient) -> None:
    """Who does not read is told to read anew when it reads again, and then hears what is new."""
    # In a path each of these is nine bytes: events of 7 kB, more than kernels keep for a reader.
    folder = "文" * 80
    with raw_listener(api, receive_bytes=4096) as slow, listening(api) as quick:
        for number in range(9):
            files = [file_part(f"{number}-{index}.txt", b"x") for index in range(100)]
            answer = api.post(field_part("prefix", "/".join([folder] * 4)), *files)
            assert answer.status == 201, answer.body
        marks = count()

        def is_over() -> bool:
            """Whether another one hears what happens now: the slow one is waited for no more."""
            mark = f"mark-{next(marks)}.txt"
            api.stored(mark)
            return until(lambda: mark in set(quick.keys()), 5)

        assert until(is_over, SECONDS)
        heard = slow.heard()
        events = [document for _, document in takewhile(lambda one: one[0] != "resync", heard)]
        everything = recorded(api)
        assert events == everything[: len(events)]
        assert len(events) < len(everything)
        api.stored("new.txt")
        # It may fall behind once more on its way.
        later = (document for name, document in heard if name == "event")
        for document in later:
            if document["file"]["key"] == "new.txt":
                break
            assert document in everything


# ---- who is sent away, and who is not let in ----


def test_a_session_that_ends(tenants: Tenants) -> None:
    """A person who logs out is sent away, and a stock client does not come back."""
    person = people.make(tenants.admin, tenants.tenant().tenant)
    assert person.login().status == 200
    with listening(person.api) as listener:
        assert person.logout().status == 204
        assert listener.farewell() == "token-revoked"
        assert Listener(person.api.port, person.api.token).connect().refusal == "token-revoked"


def test_a_client_that_is_disabled(tenants: Tenants) -> None:
    """A client that is disabled is sent away; another one of its tenant stays."""
    client = make_client(tenants.admin, "live-disabled")
    other = tenants.client(client.api.tenant)
    with listening(client.api) as gone, listening(other) as stays:
        target = f"/auth/v1/tenants/{client.api.tenant}/clients/{client.id}"
        assert tenants.admin.request("DELETE", target).status == 204
        assert gone.farewell() == "token-revoked"
        other.stored("still.txt")
        assert stays.hears("still.txt")


def test_a_tenant_that_is_suspended(tenants: Tenants) -> None:
    """A suspended tenant's connections end, by Socket.IO and as streams, and are not let in."""
    client = tenants.tenant()
    path = f"/auth/v1/tenants/{client.tenant}/suspend"
    with listening(client) as listener, Stream(client) as stream:
        client.stored("there.txt")
        assert listener.hears("there.txt")
        assert tenants.admin.request("POST", path).status == 204
        assert listener.farewell() == "tenant-suspended"
        *_, (_, name, document) = stream.events()
    assert (name, slug(document["problem"])) == ("bye", "tenant-suspended")
    assert Listener(client.port, client.token).connect().refusal == "tenant-suspended"


def test_a_token_of_another_tenant(api: ApiClient, signer: Signer) -> None:
    """A renewal with a token of another tenant, or of another client, ends the connection."""
    subject: dict[str, Any] = {"tid": api.tenant, "scope": LISTENS, "sub": "one-and-the-same"}
    strangers = [{**subject, "tid": "another-tenant"}, {**subject, "sub": "another"}]
    for stranger in strangers:
        with listening(signer.client(**subject)) as listener:
            message = {"op": "token", "token": signer.token(**stranger)}
            listener.client.emit("msg", message)
            assert listener.farewell() == "forbidden"


def test_a_token_that_expires(api: ApiClient, signer: Signer) -> None:
    """At its token's end a connection is sent away, unless it has a newer one by then."""
    subject: dict[str, Any] = {"tid": api.tenant, "scope": LISTENS, "sub": "one-and-the-same"}
    # Time for two handshakes, also on a busy machine.
    soon = int(time.time()) + 8
    old = signer.client(**subject, exp=soon)
    with listening(old) as renewed, listening(old) as ends:
        message = {"op": "token", "token": signer.token(**subject)}
        assert renewed.says("msg", message) == {"ok": True, "op": "token"}
        assert ends.farewell() == "token-expired"
        assert time.time() >= soon
        api.stored("later.txt")
        assert renewed.hears("later.txt")
    assert Listener(api.port, old.token).connect().refusal == "token-expired"


@pytest.mark.parametrize(
    ("token", "problem"),
    [(None, "token-missing"), ("", "token-missing"), ("x.y.z", "token-malformed")],
)
def test_without_a_good_token(wharf: Wharf, token: str | None, problem: str) -> None:
    """Without a token, or with a broken one, nobody is let in."""
    listener = Listener(wharf.port, token).connect()
    assert listener.refusal == problem
    assert not listener.client.connected


def test_tokens_in_addresses_and_cookies(api: ApiClient) -> None:
    """A token in an address or a cookie lets nobody in: both are logged or sent by pages."""
    anyone, stream = api.using(None), {"Accept": "text/event-stream"}
    for fields in (stream, {**stream, "Cookie": f"token={api.token}; access_token={api.token}"}):
        anyone.get("/v1/events", fields).problem(401, "token-missing")
    assert anyone.get(f"/v1/events?access_token={api.token}", stream).status in {400, 401}
    listener = Listener(api.port, None).connect(headers={"Cookie": f"token={api.token}"})
    assert listener.refusal == "token-missing"


def test_origins(api: ApiClient) -> None:
    """Pages of other sites are refused, by Socket.IO and as streams, unless a bucket names them."""
    stream = {"Origin": _ORIGIN, "Accept": "text/event-stream"}

    def let_in(transport: str) -> bool:
        page = Listener(api.port, api.token, origin=_ORIGIN)
        return page.connect(transport).was_let_in()

    assert not let_in("websocket")
    assert not let_in("polling")
    api.get("/v1/events", stream).problem(403, "forbidden")
    rules = {"cors_origins": [_ORIGIN]}
    assert api.send_json("PUT", "/v1/buckets/pages", rules).status == 201
    assert until(lambda: let_in("websocket"), SECONDS)
    assert let_in("polling")
    with Stream(api, "/v1/events?after=0", Origin=_ORIGIN) as allowed:
        api.stored("for-pages.txt")
        assert next(allowed.events())[1] == "event"
    own = Listener(api.port, api.token, origin=f"http://127.0.0.1:{api.port}")
    assert own.connect().was_let_in()


# ---- as a stream ----


def test_a_stream_by_curl(wharf: Wharf, api: ApiClient) -> None:
    """curl hears numbered events, and goes on from one (`Last-Event-ID`) after kill -9."""
    api.stored("first.txt")
    with Stream(api, "/v1/events?after=0") as stream:
        number, name, document = next(stream.events())
        assert (name, document) == ("event", recorded(api)[0])
        assert number == str(document["id"])
        kill_live(wharf)
        assert list(stream.events()) == []
    api.stored("second.txt")
    api.stored("third.txt")

    def goes_on() -> bool:
        with Stream(api, "/v1/events?after=0", Last_Event_ID=number) as again:
            found = [document["file"]["key"] for *_, document in islice(again.events(), 2)]
        return found == ["second.txt", "third.txt"]

    assert until(goes_on, SECONDS)


def test_the_readmes_commands(wharf: Wharf) -> None:
    """README's commands print what happened, and its small picture is one, word for word."""
    use = next(block for block in blocks("Use", "sh") if block.startswith("token()"))
    (listens,) = blocks("Hear what happens", "sh")
    pictures = next(block for block in blocks("Share", "sh") if "?w=" in block)
    printed = run(wharf, use + pictures + 'curl -sI "$WHARF$SMALL?w=256"\n' + listens)
    assert "content-type: image/webp" in printed.lower()
    assert "event: event\n" in printed
    assert '"key":"docs/overview.png"' in printed


def test_lists_stay_lists(api: ApiClient) -> None:
    """Without the stream's Accept the same address is the list, also while somebody streams."""
    api.stored("there.txt")
    with Stream(api, "/v1/events?after=0") as stream:
        assert next(stream.events())[1] == "event"
        for accept in ("application/json", "*/*", "text/html"):
            answer = api.get("/v1/events", {"Accept": accept})
            assert answer.json()["events"] == recorded(api)


def test_not_on_the_internal_port(wharf: Wharf, api: ApiClient) -> None:
    """Nobody hears anything on the port for metrics, and metrics are not on the public one."""
    internal = f"http://127.0.0.1:{wharf.metrics_port}"
    fields = {"Authorization": f"Bearer {api.token}", "Accept": "text/event-stream"}
    for path in ("/socket.io/?EIO=4&transport=polling", "/v1/events"):
        request = urllib.request.Request(internal + path, headers=fields)
        with pytest.raises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(request, timeout=SECONDS)
        assert refusal.value.code == 404
        refusal.value.close()
    with urllib.request.urlopen(f"{internal}/metrics/live", timeout=SECONDS) as answer:
        text = answer.read().decode()
    assert "\nwharf_live_connections{" in text
    assert api.tenant not in text
    assert api.get("/metrics/live").status == 404
