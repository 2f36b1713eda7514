"""Tests that a client limited to one folder sees and changes nothing else, for every operation."""

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

#: The responses that a caller with a reach of all keys gets for existing keys.
REFUSALS = {"new": 412, "changed": 412, "to": 409, "from absent": 404, "tag": 304}


@pytest.fixture
def world(upload: UploadService) -> UploadService:
    return filled_world(upload)


def ask(caller: Caller, method: str, asked: Asked) -> Told:
    return caller.ask(method, asked.path, asked.body, asked.headers, spooled=asked.spooled)


def limited_in_two_ways(upload: UploadService, own: tuple[CompactGrant, ...]) -> Iterator[Caller]:
    """Yield a caller with grants in its token, and one whose grants come from the feed."""
    yield of_grants(upload, own)
    Feed(upload).own("older", own)
    yield of_everything(upload, "older")


def shape(told: Told, *names: str) -> tuple[object, ...]:
    """Return the visible parts of a response, without the names that were asked for."""
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
    """Every documented operation is in the tables; a new operation fails until it is tested."""
    tables = (WALKED, grants_table.ELSEWHERE, grants_table.OPEN)
    named = [operation for table in tables for operation in table]
    assert sorted(named) == sorted(set(named))
    assert set(named) == documented(upload)


def test_what_is_tested_elsewhere_is_there() -> None:
    """Each test that the table names in place of the walk exists."""
    named = {*grants_table.ELSEWHERE.values()}
    assert named <= set(vars(test_grants_elsewhere))


def test_every_address_of_flask_is_documented(upload: UploadService) -> None:
    """Every route of Flask is documented, so that the tables cover it."""
    app: Flask = upload.app.wsgi._app
    paths = {path for _, path in documented(upload)}
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:path:)?(\w+)>", r"{\1}", rule.rule)
        assert path in paths | grants_table.UNDOCUMENTED, path


def test_what_is_answered_before_flask_is_in_the_tables(upload: UploadService) -> None:
    """The tables list every handler of the fast path and of the gateway."""
    assert set(PROTECTIONS) == set(grants_table.PREPARED)
    fast = upload.app.wsgi
    handlers = {name for name, value in vars(fast).items() if hasattr(value, "__func__")}
    assert handlers == {"_put", "_get"}
    gateway = {name for name, value in vars(fast._gateway).items() if callable(value)}
    assert gateway == {"_put", "_post", "_shared", "_preflight"}
    assert {f"question {name}" for name in fast._gateway.questions} <= set(PROTECTIONS)


def test_the_live_channel_has_the_addresses_of_the_table() -> None:
    """The table lists every address of the live channel, so a new one fails until it is tested."""
    modules = {name: vars(live_app).get(name) for name in live_app.Live.__call__.__code__.co_names}
    places = {
        name for name, one in modules.items() if hasattr(one, "PATH") or hasattr(one, "PATHS")
    }
    assert places == set(grants_table.LIVE)


# ---- the walk ----


@pytest.mark.parametrize(("method", "way"), WAYS, ids=[f"{m} {w.name}" for m, w in WAYS])
def test_outside_is_like_absent(world: UploadService, method: str, way: Way) -> None:
    """A key outside the reach gets the response of an absent key, and the request changes nothing.

    This applies in a bucket with or without a grant, and to grants from the token or from the feed.
    A caller that reaches the key is served.
    """
    for caller in limited_in_two_ways(world, OWN):
        before = kept(world)
        there = ask(caller, method, way.ask(BUCKET, OUTSIDE))
        absent = ask(caller, method, way.ask(BUCKET, ABSENT))
        assert there.status == way.status, there.body
        assert way.status == 404 or there.slug == "outside-grants" or method == "HEAD"
        assert shape(there, OUTSIDE) == shape(absent, ABSENT)
        # The expected response is that of a caller with a reach of all keys for an absent key.
        if way.status == 404 and way.name != "from absent":
            owner = ask(of_everything(world), method, way.ask(BUCKET, ABSENT))
            assert shape(absent) == shape(owner)
        hidden = ask(caller, method, way.ask(HIDDEN, OUTSIDE))
        nowhere = ask(caller, method, way.ask(NO_BUCKET, OUTSIDE))
        assert (hidden.status, hidden.slug) in {(404, "not-found"), (404, "")}
        assert shape(hidden, HIDDEN) == shape(nowhere, NO_BUCKET)
        assert kept(world) == before
    # Only the grants cause the refusal: a caller that reaches the key is served.
    answer = ask(of_everything(world), method, way.ask(BUCKET, OUTSIDE))
    assert answer.status == REFUSALS.get(way.name, answer.status), answer.body
    assert answer.status < 400 or way.name in REFUSALS, answer.body
