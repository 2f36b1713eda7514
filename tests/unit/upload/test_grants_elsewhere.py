"""Tests that lists, events, buckets, tickets, links and uploads stay within grants."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from servicekit.grants import CompactGrant
from servicekit.tickets import Ticket
from tests.servers.grants_played import (
    ALL_SCOPES,
    OCTETS,
    TUS,
    Caller,
    Feed,
    Told,
    grant,
    kept,
    metadata_of,
    of_everything,
    of_grants,
    ticket_of,
)
from tests.servers.grants_table import (
    ABSENT,
    BUCKET,
    FOLDER,
    FORM_TYPE,
    HIDDEN,
    INSIDE,
    NO_BUCKET,
    OUTSIDE,
    filled_world,
)
from tests.servers.upload import UploadService, form_body

OWN = (grant(BUCKET, FOLDER),)
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def world(upload: UploadService) -> UploadService:
    return filled_world(upload)


def same(one: Told, other: Told, *names: str) -> bool:
    """Return whether two responses are equal except for the names that were asked for."""
    texts = []
    for told in (one, other):
        text = told.body.decode()
        for name in names:
            text = text.replace(name, "(name)")
        texts.append((told.status, text.partition('"request_id"')[0]))
    return texts[0] == texts[1]


def keys_of(told: Told) -> list[str]:
    assert told.status == 200, told.body
    return [file["key"] for file in told.json()["files"]]


# ---- lists ----


def test_listing_shows_nothing_outside(world: UploadService) -> None:
    """A listing has only keys that may be listed, with any prefix, delimiter or start."""
    caller, path = of_grants(world, OWN), f"/v1/files/{BUCKET}"
    assert keys_of(caller.ask("GET", path)) == [INSIDE]
    rolled = caller.ask("GET", f"{path}?delimiter=/").json()
    assert (rolled["files"], rolled["prefixes"]) == ([], [FOLDER])
    for there, absent in (("theirs/", "absent/"), (OUTSIDE, ABSENT), ("t", "u")):
        one, other = (caller.ask("GET", f"{path}?prefix={quote(p)}") for p in (there, absent))
        assert keys_of(one) == []
        assert same(one, other)
    cursor = of_everything(world).ask("GET", f"{path}?limit=1").json()["next_cursor"]
    assert keys_of(caller.ask("GET", f"{path}?cursor={cursor}")) == []
    hidden, nowhere = (caller.ask("GET", f"/v1/files/{name}") for name in (HIDDEN, NO_BUCKET))
    assert (hidden.status, hidden.slug) == (404, "not-found")
    assert same(hidden, nowhere, HIDDEN, NO_BUCKET)


@pytest.mark.parametrize("letters", ["w", "r", "d", "rwd"])
def test_who_may_not_list_sees_an_empty_bucket(world: UploadService, letters: str) -> None:
    """A caller without the action `list` sees an empty bucket, even if it may read there."""
    listed = of_grants(world, [grant(BUCKET, FOLDER, letters)]).ask("GET", f"/v1/files/{BUCKET}")
    assert keys_of(listed) == []
    assert listed.json()["next_cursor"] is None


def test_buckets(world: UploadService) -> None:
    """A bucket without a grant looks like an absent bucket.

    A caller with a grant of all actions on the whole bucket can change it.
    """
    caller = of_grants(world, OWN)
    listed = caller.ask("GET", "/v1/buckets").json()["buckets"]
    assert [bucket["name"] for bucket in listed] == [BUCKET]
    before = kept(world)
    for method in ("GET", "PUT", "DELETE"):
        body = b"{}" if method == "PUT" else None
        hidden, absent = (
            caller.ask(method, f"/v1/buckets/{name}", body, JSON) for name in (HIDDEN, NO_BUCKET)
        )
        assert (hidden.status, hidden.slug) == (404, "not-found"), method
        assert same(hidden, absent, HIDDEN, NO_BUCKET)
        known = caller.ask(method, f"/v1/buckets/{BUCKET}", body, JSON)
        assert known.status == (200 if method == "GET" else 403)
        assert method == "GET" or known.slug == "outside-grants"
    assert kept(world) == before
    whole = of_grants(world, [grant(BUCKET, "")])
    assert whole.ask("PUT", f"/v1/buckets/{BUCKET}", b"{}", JSON).status == 200
    most = of_grants(world, [grant(BUCKET, "", "rwl"), grant(BUCKET, FOLDER)])
    assert most.ask("PUT", f"/v1/buckets/{BUCKET}", b"{}", JSON).slug == "outside-grants"


def test_what_is_about_the_whole_tenant(world: UploadService) -> None:
    """Usage and the rotation of links need all actions on all keys."""
    for own in (OWN, (), (grant("*", "", "rwl"),)):
        caller = of_grants(world, own)
        assert caller.ask("GET", "/v1/usage").slug == "outside-grants"
        assert caller.ask("POST", "/v1/links/rotate").slug == "outside-grants"
    caller = of_grants(world, [grant("*", "")])
    assert caller.ask("GET", "/v1/usage").status == 200
    assert caller.ask("POST", "/v1/links/rotate").status == 204


WEBHOOK = f"/v1/webhooks/{'0' * 32}"
URL = b'{"url": "https://192.0.2.1/hook"}'


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/webhooks", None),
        ("POST", "/v1/webhooks", URL),
        ("GET", WEBHOOK, None),
        ("PATCH", WEBHOOK, b"{}"),
        ("DELETE", WEBHOOK, None),
        *(("POST", f"{WEBHOOK}/{act}", None) for act in ("test", "rotate", "enable")),
        ("POST", f"{WEBHOOK}/replay", b'{"after": "0"}'),
        ("GET", f"{WEBHOOK}/deliveries", None),
        ("GET", f"{WEBHOOK}/deliveries/test-1", None),
        ("POST", f"{WEBHOOK}/deliveries/test-1/retry", None),
    ],
)
def test_webhooks_are_about_the_whole_tenant(
    world: UploadService, method: str, path: str, body: bytes | None
) -> None:
    """Every request about webhooks needs a reach of all keys, also for an absent endpoint."""
    for own in (OWN, (), (grant("*", "", "rwl"),)):
        told = of_grants(world, own).ask(method, path, body, JSON)
        assert (told.status, told.slug) == (403, "outside-grants")
    assert of_grants(world, [grant("*", "")]).ask(method, path, body, JSON).status != 403


# ---- events ----


def moved(world: UploadService, source: str, to: str) -> None:
    body = (
        f'{{"from": {{"bucket": "{BUCKET}", "key": "{source}"}}, "move": true, "to": {{"bucket": '
    )
    body += f'"{BUCKET}", "key": "{to}"}}}}'
    answer = of_everything(world).ask("POST", "/v1/copies", body.encode(), JSON)
    assert answer.status == 201, answer.body


def test_events_tell_nothing_outside(world: UploadService) -> None:
    """Events show only readable keys, and a move shows only its readable ends."""
    moved(world, INSIDE, f"{FOLDER}b.txt")
    moved(world, f"{FOLDER}b.txt", "theirs/b.txt")
    moved(world, "theirs/b.txt", "theirs/c.txt")
    moved(world, "theirs/c.txt", f"{FOLDER}c.txt")
    caller = of_grants(world, OWN)
    page = caller.ask("GET", "/v1/events")
    assert page.status == 200
    assert not any(name in page.body.decode() for name in ("theirs", HIDDEN))
    told = [
        (one["kind"], one["file"]["key"], (one.get("moved_from") or {}).get("key"))
        for one in page.json()["events"]
        if one.get("file")
    ]
    assert told[-3:] == [
        ("file.moved", f"{FOLDER}b.txt", INSIDE),
        ("file.deleted", f"{FOLDER}b.txt", None),
        ("file.moved", f"{FOLDER}c.txt", None),
    ]
    nothing = of_grants(world, [grant(BUCKET, FOLDER, "wdl")]).ask("GET", "/v1/events")
    assert nothing.json()["events"] == []


# ---- tickets and links ----


def test_tickets_are_within_grants(world: UploadService) -> None:
    """A ticket stores what its rules and its maker's grants both allow, in every way of sending."""
    ticket = ticket_of(world, OWN, Ticket(bucket=BUCKET, prefix=""))
    nobody = Caller(world, "")
    for spooled in (False, True):
        before = kept(world)
        there, absent = (
            nobody.ask("PUT", f"{ticket}/{key}", b"new", spooled=spooled)
            for key in (OUTSIDE, ABSENT)
        )
        assert there.slug == "outside-grants", there.body
        assert same(there, absent, OUTSIDE, ABSENT)
        assert kept(world) == before
        inside = nobody.ask("PUT", f"{ticket}/{FOLDER}new-{spooled}", b"new", spooled=spooled)
        assert inside.status == 201, inside.body
    before = kept(world)
    for fields in ({"prefix": "theirs/"}, {}):
        body = form_body([("secret.txt", b"new")], fields)
        answer = nobody.ask("POST", ticket, body, {"Content-Type": FORM_TYPE})
        assert answer.slug == "outside-grants", answer.body
    one = ticket_of(world, OWN, Ticket(bucket=BUCKET, key=OUTSIDE))
    assert nobody.ask("PUT", one, b"new").slug == "outside-grants"
    hidden = ticket_of(world, OWN, Ticket(bucket=HIDDEN, prefix=""))
    assert nobody.ask("PUT", f"{hidden}/{OUTSIDE}", b"new").status == 404
    assert kept(world) == before


def test_a_ticket_ends_with_its_makers_reach(world: UploadService) -> None:
    """A change of the maker's reach applies to a ticket in a path, to a ticket as a token, and at
    `/v1/ticket`.
    """
    ticket = ticket_of(world, None, Ticket(bucket=BUCKET, prefix=""))
    bearer, nobody = Caller(world, ticket.removeprefix("/u/")), Caller(world, "")
    assert nobody.ask("PUT", f"{ticket}/{OUTSIDE}-1", b"new").status == 201
    assert bearer.ask("GET", "/v1/ticket").status == 200
    Feed(world).own("limited", OWN)
    assert nobody.ask("PUT", f"{ticket}/{OUTSIDE}-2", b"new").slug == "outside-grants"
    assert bearer.ask("PUT", f"/v1/files/{BUCKET}/{OUTSIDE}-3", b"new").slug == "outside-grants"
    assert nobody.ask("PUT", f"{ticket}/{FOLDER}x", b"new").status == 201
    Feed(world, 5).own("limited", ())
    assert nobody.ask("PUT", f"{ticket}/{FOLDER}y", b"new").status == 404
    assert bearer.ask("GET", "/v1/ticket").status in {403, 404}


def link(caller: Caller, **wanted: str) -> str:
    fields = ",".join(f'"{name}": "{text}"' for name, text in {"bucket": BUCKET, **wanted}.items())
    answer = caller.ask("POST", "/v1/links", f"{{{fields}}}".encode(), JSON)
    assert answer.status == 201, answer.body
    url: str = answer.json()["url"]
    return url[url.index("/s/") :]


def test_links_are_within_grants(world: UploadService) -> None:
    """A caller sees and ends only those of its own links that it could make now; an administrator
    without limits sees and ends all.
    """
    caller, other = of_grants(world, OWN), of_everything(world)
    link(caller, key=INSIDE)
    link(other, key=OUTSIDE)
    (own,) = caller.ask("GET", "/v1/links").json()["links"]
    both = other.ask("GET", "/v1/links").json()["links"]
    (theirs,) = [one for one in both if one["id"] != own["id"]]
    assert (own["maker"], own["key"], theirs["key"]) == ("limited", INSIDE, OUTSIDE)
    absent = {**theirs, "id": "0" * 32}
    for method in ("GET", "DELETE"):
        hidden, none = (caller.ask(method, f"/v1/links/{one['id']}") for one in (theirs, absent))
        assert (hidden.status, hidden.slug) == (404, "not-found")
        assert same(hidden, none, theirs["id"], absent["id"])
    assert caller.ask("GET", f"/v1/links?maker={theirs['maker']}").slug == "outside-grants"
    narrower = of_grants(world, [grant(BUCKET, f"{FOLDER}elsewhere")])
    assert narrower.ask("GET", "/v1/links").json()["links"] == []
    assert narrower.ask("DELETE", f"/v1/links/{own['id']}").status == 404
    assert caller.ask("DELETE", f"/v1/links/{own['id']}").status == 204
    assert other.ask("DELETE", f"/v1/links/{theirs['id']}").status == 204
    assert other.ask("GET", "/v1/links").json()["links"] == []


def opens(world: UploadService, path: str) -> bool:
    """Return whether a link leads to a file; GET, HEAD and the gateway's question must agree."""
    nobody = Caller(world, "")
    shared = [nobody.ask(method, path).status for method in ("GET", "HEAD")]
    asked = nobody._wsgi("GET", path, b"", {}, {"WHARF_STEP": "share"}).status
    answers = {(200, 200, 204): True, (404, 404, 403): False}
    return answers[shared[0], shared[1], asked]


@pytest.mark.parametrize("by_token", [True, False])
def test_links_end_with_their_makers_reach(world: UploadService, *, by_token: bool) -> None:
    """A link shows only what its maker may read when the link is used."""
    maker = of_grants(world, OWN, subject="maker") if by_token else of_everything(world, "maker")
    links = [link(maker, key=INSIDE), link(maker, prefix=FOLDER) + "a.txt"]
    if not by_token:
        links.append(link(maker, prefix="") + OUTSIDE)
        links.append(link(maker, key=OUTSIDE))
    assert all(opens(world, one) for one in links)
    feed = Feed(world)
    feed.own("maker", (grant(BUCKET, "mine/", "r"),))
    assert [opens(world, one) for one in links] == [True, True, False, False][: len(links)]
    feed.own("maker", (grant(BUCKET, "mine/", "wdl"),))
    assert not any(opens(world, one) for one in links)
    feed.own("maker", (grant(BUCKET, ""),), scopes="files:write")
    assert not any(opens(world, one) for one in links)


# ---- uploads under way ----


def begun(caller: Caller, key: str) -> str:
    """Return the address of a new tus upload of three bytes."""
    fields = {**TUS, **metadata_of(bucket=BUCKET, key=key), "Upload-Length": "3"}
    answer = caller.ask("POST", "/v1/uploads", None, fields)
    assert answer.status == 201, answer.body
    return answer.headers["Location"]


def patch(caller: Caller, address: str) -> Told:
    fields = {**TUS, "Upload-Offset": "0", "Content-Type": OCTETS}
    return caller.ask("PATCH", address, b"new", fields)


def test_uploads_under_way(world: UploadService) -> None:
    """An unfinished upload outside the caller's current reach does not exist for the caller."""
    owner, caller = of_everything(world), of_everything(world, "narrowed")
    mine, theirs = begun(caller, f"{FOLDER}1"), begun(caller, "theirs/2")
    other_mine, other_theirs = begun(owner, f"{FOLDER}3"), begun(owner, "theirs/4")
    Feed(world).own("narrowed", OWN)
    listed = caller.ask("GET", "/v1/uploads").json()["uploads"]
    shown = {upload["id"] for upload in listed}
    assert shown == {address.rpartition("/")[2] for address in (mine, other_mine)}
    absent = f"/v1/uploads/{'0' * 32}"
    before = kept(world)
    for method in ("HEAD", "GET", "PATCH", "POST", "DELETE"):
        for address in (theirs, other_theirs, f"{other_theirs}?subject=owner"):
            query = "?subject=owner" if "?" in address else ""
            fields = {**TUS, "Upload-Offset": "0", "Content-Type": OCTETS}
            fields |= {"X-HTTP-Method-Override": "PATCH"} if method == "POST" else {}
            body = b"new" if method in {"PATCH", "POST"} else None
            found = caller.ask(method, address, body, fields)
            assert found.status == 404, (method, address)
            assert same(found, caller.ask(method, absent + query, body, fields))
    assert kept(world) == before
    assert patch(caller, mine).status == 204
    assert owner.ask("GET", f"/v1/files/{BUCKET}/{FOLDER}1").status == 200
    assert caller.ask("DELETE", f"{other_mine}?subject=owner", None, TUS).status == 204


@pytest.mark.parametrize(
    ("own", "scopes"),
    [
        ((grant(BUCKET, "theirs/"),), ALL_SCOPES),
        ((), ALL_SCOPES),
        ((grant(BUCKET, FOLDER, "rdl"),), ALL_SCOPES),
        ((grant("*", ""),), "files:read files:delete"),
    ],
)
def test_a_change_holds_for_bodies_on_their_way(
    world: UploadService, own: tuple[CompactGrant, ...], scopes: str
) -> None:
    """If a grant ends while a body arrives, the check at the end refuses the body."""
    for number, way in enumerate(("tus", "with bytes", "spooled", "form")):
        caller = of_everything(world, f"narrowed-{number}")
        address = begun(caller, f"{FOLDER}tus") if way == "tus" else ""

        def narrowed(who: str = f"narrowed-{number}", seq: int = number) -> None:
            Feed(world, seq).own(who, own, scopes)

        caller.meanwhile = narrowed
        key = f"{FOLDER}{number}"
        if way == "tus":
            answer = patch(caller, address)
        elif way == "with bytes":
            fields = {**TUS, **metadata_of(bucket=BUCKET, key=key), "Upload-Length": "3"}
            answer = caller.ask("POST", "/v1/uploads", b"new", {**fields, "Content-Type": OCTETS})
        elif way == "spooled":
            answer = caller.ask("PUT", f"/v1/files/{BUCKET}/{key}", b"new", spooled=True)
        else:
            body = form_body([(str(number), b"new")], {"prefix": FOLDER})
            fields = {"Content-Type": FORM_TYPE}
            answer = caller.ask("POST", f"/v1/files/{BUCKET}", body, fields)
        assert answer.status in {403, 404}, (way, answer.body)
    found = of_everything(world).ask("GET", f"/v1/files/{BUCKET}?prefix={FOLDER}")
    assert keys_of(found) == [INSIDE]
