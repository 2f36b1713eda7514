"""`/healthz` and `/readyz`: which parts are checked, and which can be excluded."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from servicekit import health


@pytest.fixture
def client() -> FlaskClient:
    """Return the client of a service with an unavailable database, a good disk and an old feed."""
    app = Flask("test")
    health.install(
        app,
        {"database": lambda: "away", "storage": lambda: None},
        helpful={"revocations": lambda: "old"},
    )
    return app.test_client()


def test_unready_names_the_part(client: FlaskClient) -> None:
    """A service without its database is not ready, and names the part and when to ask again."""
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json == {"status": "unavailable", "down": {"database": "away"}}
    assert answer.headers["Retry-After"] == "1"


def test_excluded_part_is_not_asked(client: FlaskClient) -> None:
    """An excluded part does not make a service unready, and a helpful part is still reported."""
    answer = client.get("/readyz?exclude=storage&exclude=database")
    assert answer.status_code == 200
    assert answer.json == {"status": "degraded", "degraded": {"revocations": "old"}}


def test_exclude_leaves_the_others(client: FlaskClient) -> None:
    """The exclusion of one part does not hide another one that is down."""
    assert client.get("/readyz?exclude=storage").status_code == 503


def test_liveness_asks_nobody(client: FlaskClient) -> None:
    """A service without its database is alive, because a restart would not help."""
    assert client.get("/healthz").status_code == 200
