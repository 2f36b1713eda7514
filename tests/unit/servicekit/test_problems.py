"""Problem documents: each problem is declared once, and one function renders all."""

from __future__ import annotations

import json

import pytest
from flask import Flask, Response
from werkzeug.exceptions import ImATeapot

from servicekit import logs, problems, web
from servicekit.database import DatabaseUnavailable
from servicekit.problems import COMMON, Catalogue, reason


@pytest.fixture
def app() -> Flask:
    app = Flask("test")
    app.config["MAX_CONTENT_LENGTH"] = 10
    web.install(app, logs.RequestLog("test"), None)

    @app.get("/fail/<what>")
    def fail(what: str) -> Response:
        raise {
            "database": DatabaseUnavailable("secret-host is down"),
            "bug": RuntimeError("secret detail"),
            "teapot": ImATeapot(),
            "conflict": problems.CONFLICT("Already there.", key="a"),
        }[what]

    @app.post("/body")
    def body() -> Response:
        from flask import request

        return Response(request.get_data())

    return app


def test_document_has_the_members_of_rfc_9457() -> None:
    """A document has type, title, status, detail, request id and the problem's own members."""
    error = problems.TOO_LARGE("Too big.", limit="bucket", limit_bytes=5)
    assert json.loads(error.body("abc")) == {
        "type": "/problems/too-large",
        "title": "Too large",
        "status": 413,
        "detail": "Too big.",
        "request_id": "abc",
        "limit": "bucket",
        "limit_bytes": 5,
    }


def test_slugs_are_unique() -> None:
    """A problem that is declared twice raises an error."""
    catalogue = Catalogue()
    catalogue.declare("a", 400, "A", "A.")
    with pytest.raises(ValueError, match="declared twice"):
        catalogue.declare("a", 400, "A", "A.")


def test_every_common_problem_says_what_to_do() -> None:
    """A problem's description ends with a period, its title does not; its status is an error's."""
    for problem in COMMON.by_slug.values():
        assert problem.description.endswith(".")
        assert not problem.title.endswith(".")
        assert 400 <= problem.status < 600
        assert reason(problem.status).startswith(str(problem.status))


def test_raised_problem_is_rendered(app: Flask) -> None:
    """A problem that a view raises becomes a document with the id of the request."""
    reply = app.test_client().get("/fail/conflict", environ_overrides={"REQUEST_ID": "req-1"})
    assert reply.status_code == 409
    assert reply.content_type == "application/problem+json"
    assert reply.headers["X-Request-Id"] == "req-1"
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.get_json() == {
        "type": "/problems/conflict",
        "title": "Conflict",
        "status": 409,
        "detail": "Already there.",
        "request_id": "req-1",
        "key": "a",
    }


def test_database_down_is_503_with_retry_after(app: Flask) -> None:
    """An unavailable database gives 503 with `Retry-After`, without the database's name."""
    reply = app.test_client().get("/fail/database")
    assert reply.status_code == 503
    assert int(reply.headers["Retry-After"]) >= 1
    assert b"secret" not in reply.data


def test_bugs_are_500_without_detail(app: Flask) -> None:
    """An unexpected error gives 500 without any detail."""
    reply = app.test_client().get("/fail/bug")
    assert reply.status_code == 500
    assert reply.get_json()["type"] == "/problems/internal-error"
    assert b"secret" not in reply.data


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [
        ("GET", "/nowhere", 404, "not-found"),
        ("DELETE", "/body", 405, "method-not-allowed"),
        ("POST", "/body", 413, "too-large"),
    ],
)
def test_frameworks_refusals_are_problems_too(
    app: Flask, method: str, path: str, status: int, slug: str
) -> None:
    """A refusal by Flask becomes a problem document."""
    reply = app.test_client().open(path, method=method, data=b"x" * 11)
    assert reply.status_code == status
    assert reply.get_json()["type"] == f"/problems/{slug}"
    assert reply.get_json()["status"] == status


def test_405_lists_what_is_allowed(app: Flask) -> None:
    """A response with 405 lists the allowed methods (RFC 9110 section 15.5.6)."""
    assert "POST" in app.test_client().get("/body").headers["Allow"]


@pytest.mark.parametrize("given", ["", "a\r\nX-Evil: 1", "a b", "x" * 129, "ä"])
def test_odd_request_ids_are_replaced(app: Flask, given: str) -> None:
    """A request id with special characters is replaced, because logs and fields contain the id."""
    reply = app.test_client().get("/nowhere", environ_overrides={"REQUEST_ID": given})
    assert reply.headers["X-Request-Id"] != given
    assert len(reply.headers["X-Request-Id"]) == 32


def test_clients_cannot_choose_the_request_id(app: Flask) -> None:
    """A header field of the client does not set the request id."""
    reply = app.test_client().get("/nowhere", headers={"Request-Id": "mine", "X-Request-Id": "m"})
    assert reply.headers["X-Request-Id"] not in {"mine", "m"}
