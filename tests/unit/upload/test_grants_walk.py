"""A client of one folder walks through every operation, and learns and changes nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from flask import Flask

from servicekit.grants import CompactGrant
from tests.servers import grants_table
from tests.servers.grants_played import (
    Caller,
    Feed,
    Told,
    grant,
    kept,
    of_everything,
    of_grants,
)
from tests.servers.grants_table import (
    ABSENT,
    BUCKET,
    FOLDER,
    HIDDEN,
    NO_BUCKET,
    OUTSIDE,
    WALKED,
    Asked,
    Way,
    filled_world,
)
from tests.servers.upload import UploadService
from tests.unit.upload import test_grants_elsewhere
from wharf_upload.live import app as live_app
from wharf_upload.routes.gateway import PROTECTIONS

OWN = (grant(BUCKET, FOLDER),)
WAYS = [(method, way) for (method, _), ways in WALKED.items() for way in ways]

#: What somebody hears who reaches everything, and asks for what is there.
REFUSALS = {"new": 412, "changed": 412, "to": 409, "from absent": 404, "tag": 304}


@pytest.fixture
def world(upload: UploadService) -> UploadService:
    return filled_world(upload)


def ask(caller: Caller, method: str, asked: Asked) -> Told:
    return caller.ask(method, asked.path, asked.body, asked.headers, spooled=asked.spooled)


def limited_in_two_ways(upload: UploadService, own: tuple[CompactGrant, ...]) -> Iterator[Caller]:
    """The same caller with its grants in the token, and with a token that is older than these."""
    yield of_grants(upload, own)
    Feed(upload).own("older", own)
    yield of_everything(upload, "older")


def shape(told: Told, *names: str) -> tuple[object, ...]:
    """What can be told from an answer, but for the names that were asked for."""
    body = told.body.decode()
    for name in names:
        body = body.replace(name, "(name)")
    body = re.sub(r'"request_id": ?"[^"]*"', "", body)
    fields = sorted(name.lower() for name, _ in told.headers)
    return told.status, told.slug, body, fields


# ---- the tables are whole ----


def documented(upload: UploadService) -> set[tuple[str, str]]:
    document = json.loads(upload.request("GET", "/openapi.json").data)
    return {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
        if method != "parameters"
    }


def test_every_operation_is_in_the_tables(upload: UploadService) -> None:
    """An operation that is new fails here until the walk, or another test, asks it with grants."""
    tables = (WALKED, grants_table.ELSEWHERE, grants_table.OPEN)
    named = [operation for table in tables for operation in table]
    assert sorted(named) == sorted(set(named))
    assert set(named) == documented(upload)


def test_what_is_tested_elsewhere_is_there() -> None:
    """Each test that the table names in place of the walk exists."""
    named = {*grants_table.ELSEWHERE.values()}
    assert named <= set(vars(test_grants_elsewhere))


def test_every_address_of_flask_is_documented(upload: UploadService) -> None:
    """No route of Flask's is outside the document, where the tables would not see it."""
    app: Flask = upload.app.wsgi._app
    paths = {path for _, path in documented(upload)}
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:path:)?(\w+)>", r"{\1}", rule.rule)
        assert path in paths | grants_table.UNDOCUMENTED, path


def test_what_is_answered_before_flask_is_in_the_tables(upload: UploadService) -> None:
    """The fast path has its two handlers, and the gateway what `PROTECTIONS` names."""
    assert set(PROTECTIONS) == set(grants_table.PREPARED)
    fast = upload.app.wsgi
    handlers = {name for name, value in vars(fast).items() if hasattr(value, "__func__")}
    assert handlers == {"_put", "_get"}
    gateway = {name for name, value in vars(fast._gateway).items() if callable(value)}
    assert gateway == {"_put", "_post", "_shared", "_preflight"}
    assert {f"question {name}" for name in fast._gateway.questions} <= set(PROTECTIONS)


def test_the_live_channel_has_the_addresses_of_the_table() -> None:
    """A new address of the live channel fails here until it is tested with grants."""
    modules = {name: vars(live_app).get(name) for name in live_app.Live.__call__.__code__.co_names}
    places = {
        name for name, one in modules.items() if hasattr(one, "PATH") or hasattr(one, "PATHS")
    }
    assert places == set(grants_table.LIVE)


# ---- the walk ----


@pytest.mark.parametrize(("method", "way"), WAYS, ids=[f"{m} {w.name}" for m, w in WAYS])
def test_outside_is_like_absent(world: UploadService, method: str, way: Way) -> None:
    """What is outside answers as what is not there, in a known bucket and in one that no grant
    names, by a token or by the feed; nothing is changed. Who reaches the key is answered.
    """
    for caller in limited_in_two_ways(world, OWN):
        before = kept(world)
        there = ask(caller, method, way.ask(BUCKET, OUTSIDE))
        absent = ask(caller, method, way.ask(BUCKET, ABSENT))
        assert there.status == way.status, there.body
        assert way.status == 404 or there.slug == "outside-grants" or method == "HEAD"
        assert shape(there, OUTSIDE) == shape(absent, ABSENT)
        # As for somebody who reaches everything, and asks for what is not there.
        if way.status == 404 and way.name != "from absent":
            owner = ask(of_everything(world), method, way.ask(BUCKET, ABSENT))
            assert shape(absent) == shape(owner)
        hidden = ask(caller, method, way.ask(HIDDEN, OUTSIDE))
        nowhere = ask(caller, method, way.ask(NO_BUCKET, OUTSIDE))
        assert (hidden.status, hidden.slug) in {(404, "not-found"), (404, "")}
        assert shape(hidden, HIDDEN) == shape(nowhere, NO_BUCKET)
        assert kept(world) == before
    # What is refused is refused for the grants: who reaches the key is answered.
    answer = ask(of_everything(world), method, way.ask(BUCKET, OUTSIDE))
    assert answer.status == REFUSALS.get(way.name, answer.status), answer.body
    assert answer.status < 400 or way.name in REFUSALS, answer.body
