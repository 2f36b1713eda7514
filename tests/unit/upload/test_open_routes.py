"""Tests of the protection of upload's routes, which each route names where it is registered."""

from __future__ import annotations

import pytest
from flask import Flask
from werkzeug.test import Client

from servicekit import openapi
from servicekit.problems import TOKEN_MALFORMED, TOKEN_MISSING, ProblemError
from servicekit.protected_routes import open_routes
from tests.servers.upload import UploadService
from wharf_upload.http.openapi import files
from wharf_upload.http.request import Request
from wharf_upload.routes.gateway import PROTECTIONS
from wharf_upload.routes.resumable import ROUTE

#: Every route of Flask that needs no access token. A new open route must be added here, so that
#: nobody opens a route by mistake.
OPEN = {
    "GET /healthz",
    "GET /metrics",
    "GET /openapi.json",
    "GET /readyz",
}
#: The open requests among those that the gateway prepares.
OPEN_AT_THE_GATEWAY = {
    "GET shared",
    "OPTIONS",
    "POST spooled",
    "PUT spooled",
    "question cors",
    "question share",
}
#: The open operations that the fast path, the gateway or the stream server handles.
OPEN_OPERATIONS = {
    "GET /public/{tenant}/{bucket}/{key}",
    "GET /s/{token}",
    "GET /s/{token}/{key}",
    "HEAD /public/{tenant}/{bucket}/{key}",
    "HEAD /s/{token}",
    "HEAD /s/{token}/{key}",
    "POST /u/{ticket}",
    "PUT /u/{ticket}",
    "PUT /u/{ticket}/{key}",
    "DELETE /u/{ticket}/uploads/{upload}",
    "GET /u/{ticket}/uploads/{upload}",
    "HEAD /u/{ticket}/uploads/{upload}",
    "PATCH /u/{ticket}/uploads/{upload}",
    "POST /u/{ticket}/uploads/{upload}",
}


@pytest.fixture
def flask_app(upload: UploadService) -> Flask:
    """Return the application with the routes of Flask."""
    return upload.app.wsgi._app


def test_the_open_routes_are_those_of_the_list(flask_app: Flask) -> None:
    """A route that needs no token and is not in the list fails this test."""
    assert set(open_routes(flask_app)) == OPEN


def test_the_open_operations_are_those_of_the_list() -> None:
    """An operation of the fast path, gateway or stream server without a token must be listed."""
    found = {f"{one.method} {one.path}" for one in files.ROUTES if one.protection.is_open}
    assert found == OPEN_OPERATIONS


def test_what_the_gateway_prepares_is_of_the_list() -> None:
    """A request that the gateway prepares and that needs no token must be listed."""
    assert {name for name, one in PROTECTIONS.items() if one.is_open} == OPEN_AT_THE_GATEWAY


def test_a_spooled_body_needs_its_admission(upload: UploadService) -> None:
    """A spooled body without an admission is refused."""
    environ = {"SPOOL_FILE": "/nowhere"}
    for method, path in (("PUT", "/v1/files/default/a"), ("POST", "/v1/files/default")):
        assert upload.request(method, path, environ=environ).status_code == 401


def test_every_route_names_its_protection(flask_app: Flask) -> None:
    """Every route names its protection explicitly."""
    views = flask_app.view_functions
    assert [name for name, view in views.items() if not hasattr(view, "protection")] == []


def protected_routes(flask_app: Flask) -> list[tuple[str, str]]:
    """Return method and address of each route of Flask that needs a token."""
    adapter = flask_app.url_map.bind("wharf.test")
    values = {"tenant": "demo", "bucket": "b", "key": "k", "upload": "u"}
    values |= {"token": "t", "ticket": "t", "link": "l", "endpoint": "e", "delivery": "d"}
    found = []
    for rule in flask_app.url_map.iter_rules():
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            if f"{method} {rule.rule}" not in OPEN:
                arguments = {name: values[name] for name in rule.arguments}
                found.append((method, adapter.build(rule.endpoint, arguments, method)))
    assert len(found) > 15
    return found


def test_every_other_route_refuses_a_request_without_a_token(flask_app: Flask) -> None:
    """Each route of Flask that is not in the list returns 401 `token-missing` without a token."""
    for method, path in protected_routes(flask_app):
        reply = flask_app.test_client().open(path, method=method)
        assert reply.status_code == 401, (method, path)
        assert reply.get_json()["type"] == TOKEN_MISSING.type


def test_every_other_route_refuses_a_token_that_listens(
    upload: UploadService, flask_app: Flask
) -> None:
    """A token for the live channel opens no route of the API, even with all scopes."""
    scope = (
        "files:read files:write files:delete buckets:admin events:read webhooks:admin tenants:admin"
    )
    token = upload.issuer.token(aud="live", scope=scope)
    fields = {"Authorization": f"Bearer {token}"}
    fast = [(method, "/v1/files/default/a") for method in ("GET", "HEAD", "PUT")]
    for method, path in protected_routes(flask_app):
        reply = flask_app.test_client().open(path, method=method, headers=fields)
        assert (reply.status_code, reply.get_json()["type"]) == (401, TOKEN_MALFORMED.type)
    for method, path in fast:
        assert upload.request(method, path, headers=fields).status_code == 401


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_the_fast_path_refuses_a_request_without_a_token(
    upload: UploadService, method: str
) -> None:
    """The fast path refuses a request without a token, and stores nothing."""
    reply = Client(upload.app.wsgi).open("/v1/files/default/a.txt", method=method)
    assert reply.status_code == 401
    assert upload.blobs() == set()


@pytest.mark.parametrize(
    "route",
    [one for one in files.ROUTES if one.path.startswith("/v1/uploads")],
    ids=lambda one: f"{one.method} {one.path}",
)
def test_the_stream_server_refuses_a_request_without_a_token(
    upload: UploadService, route: openapi.Route
) -> None:
    """The stream server refuses each operation without a token."""
    path = route.path.replace("{upload}", "0" * 32)
    environ = {"REQUEST_METHOD": route.method, "REQUEST_URI": path, "PATH_INFO": path}
    with pytest.raises(ProblemError) as caught:
        upload.app.resumable_routes(Request(environ, ROUTE))
    assert caught.value.problem is TOKEN_MISSING
