"""A route's protection is declared where it is registered. The default requires a token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from flask import Flask, g

from servicekit import logs, web
from servicekit.problems import NOT_FOUND, ProblemError
from servicekit.protected_routes import ProtectedBlueprint, open_routes
from servicekit.protection import TOKEN, public, scope
from servicekit.testing import AUDIENCE, ISSUER, Issuer
from servicekit.tickets import Ticket
from servicekit.tokens import Principal, Verifier


def _only_a(_: Principal, arguments: Mapping[str, Any]) -> None:
    if arguments["name"] != "a":
        raise NOT_FOUND("Nothing is here.")


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def app(issuer: Issuer) -> Flask:
    app = Flask("test")
    web.install(app, logs.RequestLog("test"), Verifier(issuer, issuer=ISSUER, audience=AUDIENCE))
    routes = ProtectedBlueprint("things", __name__, protection=scope("files:read"))

    @routes.get("/things")
    def read() -> str:
        return str(g.principal.subject)

    @routes.post("/things", protection=scope("files:write", instead="buckets:admin"))
    def write() -> str:
        return "written"

    @routes.get("/open", protection=public("a test"))
    def nothing() -> str:
        return "open"

    @routes.get("/things/<name>", protection=scope("files:read").where(_only_a))
    def named(name: str) -> str:
        return name

    app.register_blueprint(routes)

    @app.get("/forgotten")
    def forgotten() -> str:
        return "secret"

    return app


def _status(app: Flask, method: str, path: str, token: str = "") -> int:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return app.test_client().open(path, method=method, headers=headers).status_code


def test_a_route_has_the_protection_of_its_blueprint(app: Flask, issuer: Issuer) -> None:
    """A route that declares no protection has the protection of its blueprint."""
    assert _status(app, "GET", "/things") == 401
    assert _status(app, "GET", "/things", issuer.token(scope="files:write")) == 403
    assert _status(app, "GET", "/things", issuer.token(scope="files:read")) == 200


def test_a_route_can_name_its_own_protection(app: Flask, issuer: Issuer) -> None:
    """A route's own protection replaces the blueprint's; the scope in `instead` also suffices."""
    assert _status(app, "POST", "/things", issuer.token(scope="files:read")) == 403
    assert _status(app, "POST", "/things", issuer.token(scope="files:write")) == 200
    assert _status(app, "POST", "/things", issuer.token(scope="buckets:admin")) == 200


def test_a_route_that_names_nothing_needs_a_token(app: Flask, issuer: Issuer) -> None:
    """A route without a protection and without a blueprint needs a valid token."""
    assert _status(app, "GET", "/forgotten") == 401
    assert _status(app, "GET", "/forgotten", issuer.token(scope="")) == 200


def test_rules_see_the_arguments_of_the_path_before_the_scope_counts(
    app: Flask, issuer: Issuer
) -> None:
    """A rule is checked before the scope.

    The rule therefore hides a path even from callers without the scope.
    """
    other = issuer.token(scope="files:write")
    assert _status(app, "GET", "/things/b", other) == 404
    assert _status(app, "GET", "/things/a", other) == 403
    assert _status(app, "GET", "/things/a", issuer.token(scope="files:read")) == 200


def test_open_routes_are_listed_with_their_reason(app: Flask) -> None:
    """The list of open routes has the routes that are declared public, with their reasons."""
    assert open_routes(app) == {"GET /open": "a test"}
    assert _status(app, "GET", "/open") == 200


def test_a_ticket_is_good_only_where_that_is_said() -> None:
    """A protection refuses upload tickets unless it accepts tickets explicitly."""
    ticket = Ticket(bucket="b", prefix="", methods=("PUT",))
    principal = Principal(
        tenant="acme",
        subject="c1",
        scopes=frozenset({"files:write"}),
        token_id="t1",
        expires_at=1,
        ticket=ticket,
    )
    for protection in (TOKEN, scope("files:write")):
        with pytest.raises(ProblemError, match="ticket"):
            protection.require(principal)
    scope("files:write", takes_tickets=True).require(principal)


def test_nobody_passes_without_a_principal() -> None:
    """A protection that is not public refuses a request without a principal."""
    with pytest.raises(ProblemError):
        TOKEN.require(None)
    public("a test").require(None)
