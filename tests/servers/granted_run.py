"""A run of a caller with grants: the requests, and the responses that the model expects.

Each operation compares the response with the model and updates the model.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import quote

import msgspec

from servicekit.grants import EVERYTHING_COMPACT
from servicekit.grants_claim import GroupPart
from servicekit.reaches import ReachChange
from servicekit.tickets import Ticket
from tests.servers.granted_model import BUCKETS, PLACES, Model, Place, beside, rolled_up
from tests.servers.grants_played import (
    ALL_SCOPES,
    OCTETS,
    TUS,
    Caller,
    Feed,
    Told,
    claim,
    metadata_of,
    of_everything,
)
from tests.servers.grants_table import FORM_TYPE
from tests.servers.upload import UploadService, form_body

_NUMBERS = itertools.count(1)


@dataclass
class Run:
    """One tenant with files, its caller, and the model of the tenant and the caller."""

    service: UploadService
    model: Model
    version: int = 1
    group_version: int = 1
    links: list[tuple[str, Place]] = field(default_factory=list)
    caller: Caller = field(init=False)

    def __post_init__(self) -> None:
        number = next(_NUMBERS)
        self.service.tenant = f"tenant-{number}"
        self.feed = Feed(self.service, 1000 * number)
        # The feed has an entry of each group. It has an entry of the caller only after a change.
        self.feed.say("group", "g1", ReachChange(self.group_version, self.model.group))
        owner = of_everything(self.service)
        for bucket in BUCKETS:
            owner.ask("PUT", f"/v1/buckets/{bucket}", b"{}", _JSON)
        for place in PLACES[::2]:
            content = self.content()
            assert owner.ask("PUT", path_of(place), content).status == 201
            self.model.files[place] = content
        self.token()

    def content(self) -> bytes:
        """Return bytes that no file has had."""
        return f"content {next(_NUMBERS)}".encode()

    def token(self) -> None:
        """Give the caller a new token with the current grants."""
        model = self.model
        part = GroupPart("g1", self.group_version, "", model.group)
        own = EVERYTHING_COMPACT if model.own is None else model.own
        made = claim(own, version=self.version, groups=(part,) if model.is_member else ())
        grants = {} if model.own is None and not model.is_member else {"grants": made}
        token = self.service.issuer.token(
            tid=self.service.tenant, sub="c1", scope=ALL_SCOPES, **grants
        )
        self.caller = Caller(self.service, token)

    def changed(self, what: str, value: object, *, renewed: bool) -> None:
        """Change the caller or its group, write the change to the feed, and renew
        the token if requested.
        """
        model = self.model
        self.version = self.group_version = max(self.version, self.group_version) + 1
        if what == "group":
            model.group = value  # type: ignore[assignment]
            self.feed.say("group", "g1", ReachChange(self.group_version, model.group))
        elif what == "own":
            model.own = value  # type: ignore[assignment]
        else:
            model.is_member = bool(value)
        if what != "group":
            own = EVERYTHING_COMPACT if model.own is None else model.own
            groups = ("g1",) if model.is_member else ()
            change = ReachChange(self.version, own, ALL_SCOPES, "", groups)
            self.feed.say("group", "g1", ReachChange(self.group_version, model.group))
            self.feed.say("reach", "c1", change)
        if renewed:
            self.token()

    def check(self, told: Told, *named: Place) -> None:
        """Check that the rows match the model, and that the response contains no key outside
        the reach, except the keys of the `named` places.
        """
        rows = self.service.database.reading().rows(
            "SELECT bucket, key, sha256 FROM files WHERE tenant = ?", (self.service.tenant,)
        )
        kept = {(row[0], row[1]): row[2] for row in rows}
        assert kept == {
            place: sha256(content).hexdigest() for place, content in self.model.files.items()
        }
        text = told.body.decode() + repr(list(told.headers))
        for place in PLACES:
            if place not in named and not self.model.may_know(place):
                assert place[1] not in text, place
                assert quote(place[1]) not in text


_JSON = {"Content-Type": "application/json"}


def path_of(place: Place) -> str:
    return f"/v1/files/{place[0]}/{place[1]}"


def json_of(document: object) -> bytes:
    return msgspec.json.encode(document)


# ---- one operation each: the request and the expected response ----


def _reads(run: Run, what: str, place: Place) -> Told:
    path = path_of(place) if what == "get" else f"/v1/metadata/{place[0]}/{place[1]}"
    told = run.caller.ask("GET", path)
    assert told.status == run.model.reading(place), told.body
    return told


def _writes(run: Run, what: str, place: Place) -> Told:
    content, (bucket, key) = run.content(), place
    if what == "tus":
        names = metadata_of(bucket=bucket, key=key, on_conflict="replace")
        fields = {**TUS, **names, "Upload-Length": str(len(content)), "Content-Type": OCTETS}
        told = run.caller.ask("POST", "/v1/uploads", content, fields)
    elif what == "form":
        folder, slash, name = key.rpartition("/")
        body = form_body([(name, content)], {"prefix": folder + slash, "on_conflict": "replace"})
        told = run.caller.ask("POST", f"/v1/files/{bucket}", body, {"Content-Type": FORM_TYPE})
    else:
        told = run.caller.ask("PUT", path_of(place), content, spooled=what == "spooled")
    if run.model.may("write", place):
        assert told.status in {200, 201}, told.body
        run.model.files[place] = content
    else:
        assert told.status == run.model.refusal(place), told.body
    return told


def _by_ticket(run: Run, _: str, place: Place) -> Told:
    rules = msgspec.to_builtins(Ticket(bucket=place[0], prefix=""))
    own = msgspec.to_builtins(run.model.grants())
    token = run.service.issuer.token(
        tid=run.service.tenant,
        sub="c2",
        scope="files:write",
        ticket=rules,
        grants={"v": 1, "own": own, "s": ALL_SCOPES},
    )
    content = run.content()
    told = Caller(run.service, "").ask("PUT", f"/u/{token}/{place[1]}", content)
    if not run.model.may("write", place):
        assert told.status == run.model.refusal(place), told.body
    elif place in run.model.files:
        assert told.status in {409, 412}, told.body  # a ticket creates files and never replaces one
    else:
        assert told.status == 201, told.body
        run.model.files[place] = content
    return told


def _deletes(run: Run, _: str, place: Place) -> Told:
    told = run.caller.ask("DELETE", path_of(place))
    model = run.model
    if model.may("delete", place):
        assert told.status == (204 if place in model.files else 404)
        model.files.pop(place, None)
    else:
        known = model.knows(place[0]) and (model.may("read", place) or model.may("list", place))
        assert told.status == (403 if known else 404)
    return told


def _describes(run: Run, what: str, place: Place) -> Told:
    path = f"/v1/metadata/{place[0]}/{place[1]}"
    change = (
        {"expires_at": "2999-12-31T00:00:00Z"} if what == "expire" else {"metadata": {"a": "b"}}
    )
    told = run.caller.ask("PATCH", path, json_of(change), _JSON)
    may_end = what != "expire" or run.model.may("delete", place)
    if may_end and run.model.may("read", place) and run.model.may("write", place):
        assert told.status == (200 if place in run.model.files else 404)
    else:
        assert told.status in {403, 404}
    return told


def _moves(run: Run, what: str, source: Place, target: Place) -> Told:
    if what == "rename":
        target = beside(source, target)
        path = f"/v1/metadata/{source[0]}/{source[1]}"
        told = run.caller.ask("PATCH", path, json_of({"key": target[1]}), _JSON)
    else:
        places = [dict(zip(("bucket", "key"), place, strict=True)) for place in (source, target)]
        wanted = {"from": places[0], "to": places[1], "move": True, "on_conflict": "replace"}
        told = run.caller.ask("POST", "/v1/copies", json_of(wanted), _JSON)
    model = run.model
    allowed = all(model.may(action, source) for action in ("read", "write", "delete"))
    allowed = allowed and model.may("write", target)
    if not allowed and source != target:
        assert told.status in {403, 404}, told.body
    elif source in model.files and source != target:
        taken = what == "rename" and target in model.files
        assert told.status == (409 if taken else 200 if what == "rename" else 201), told.body
    if told.status < 300 and source != target:
        model.files[target] = model.files.pop(source)
    return told


def _links(run: Run, _: str, place: Place, other: Place) -> Told:
    bucket, key = place
    told = run.caller.ask("POST", "/v1/links", json_of({"bucket": bucket, "key": key}), _JSON)
    assert told.status == {200: 201}.get(status := run.model.reading(place), status), told.body
    if told.status == 201:
        run.links.append((_address(told), place))
        assert Caller(run.service, "").ask("GET", _address(told)).status == 200
    prefix = other[1][:2]
    told = run.caller.ask("POST", "/v1/links", json_of({"bucket": bucket, "prefix": prefix}), _JSON)
    covered = run.model.may("read", (bucket, prefix))
    assert told.status == (201 if covered else run.model.refusal(place)), told.body
    if told.status == 201:
        below = [one for one in PLACES if one[0] == bucket and one[1].startswith(prefix)]
        run.links += [(_address(told) + one[1][len(prefix) :], one) for one in below]
    return told


def _address(told: Told) -> str:
    url: str = told.json()["url"]
    return url[url.index("/s/") :]


def _opens(run: Run, _: str, __: Place) -> Told:
    nobody, told = Caller(run.service, ""), run.caller.ask("GET", "/v1/buckets")
    for address, place in run.links:
        status = nobody.ask("GET", address).status
        asked = nobody._wsgi("GET", address, b"", {}, {"WHARF_STEP": "share"}).status
        assert (status, asked) in {(200, 204), (404, 403)}
        # A link never shows more than its maker can read now.
        assert status == 404 or run.model.has(place)
    return told


def _lists(run: Run, what: str, place: Place, other: Place) -> Told:
    bucket, prefix = place[0], other[1][: len(place[1]) % 4]
    query, expected = f"?prefix={quote(prefix)}&limit=2", run.model.listed(bucket, prefix)
    if what == "roll up":
        query, expected = f"{query}&delimiter=/", rolled_up(expected, prefix)
    found, cursor = [], ""
    while True:
        told = run.caller.ask("GET", f"/v1/files/{bucket}{query}&cursor={cursor}")
        if not run.model.knows(bucket):
            assert told.status == 404
            return told
        page = told.json()
        entries = [file["key"] for file in page["files"]] + page["prefixes"]
        found += entries
        cursor = page["next_cursor"]
        if not cursor:
            assert sorted(found) == expected
            return told
        assert len(entries) == 2  # pages stay full


def _looks_around(run: Run, _: str, __: Place) -> Told:
    names = [one["name"] for one in run.caller.ask("GET", "/v1/buckets").json()["buckets"]]
    # Next to the model's buckets every tenant has `default`.
    known = [one for one in BUCKETS if run.model.knows(one)]
    assert sorted(names) == ["default"] * run.model.knows("default") + known
    for bucket in BUCKETS:
        status = run.caller.ask("GET", f"/v1/buckets/{bucket}").status
        assert status == (200 if run.model.knows(bucket) else 404)
    told = run.caller.ask("GET", "/v1/events?limit=1000")
    for event in told.json()["events"]:
        for one in (event.get("file"), event.get("moved_from")):
            assert not one or run.model.may("read", (one["bucket"], one["key"])), event
    return told


def asked(run: Run, what: str, place: Place, other: Place) -> Told:
    """Send the request of one operation and compare the response with the model."""
    if what in {"move", "rename"}:
        return _moves(run, what, place, other)
    if what == "link":
        return _links(run, what, place, other)
    if what in {"list", "roll up"}:
        return _lists(run, what, place, other)
    one: Callable[[Run, str, Place], Told] = {
        "get": _reads,
        "metadata": _reads,
        "delete": _deletes,
        "describe": _describes,
        "expire": _describes,
        "ticket": _by_ticket,
        "open links": _opens,
        "look around": _looks_around,
    }.get(what, _writes)
    return one(run, what, place)
