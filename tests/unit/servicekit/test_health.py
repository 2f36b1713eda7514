"""`/healthz` and `/readyz`: who is asked, and what is left out."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from servicekit import health


@pytest.fixture
def client() -> FlaskClient:
    """A service whose database is away, whose disk is fine and whose feed is old."""
    app = Flask("test")
    health.install(
        app,
        {"database": lambda: "away", "storage": lambda: None},
        helpful={"revocations": lambda: "old"},
    )
    return app.test_client()


def test_unready_names_the_part(client: FlaskClient) -> None:
    """Without its database a service is not ready; it names the part and when to ask again."""
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json == {"status": "unavailable", "down": {"database": "away"}}
    assert answer.headers["Retry-After"] == "1"


def test_excluded_part_is_not_asked(client: FlaskClient) -> None:
    """A part that is excluded does not make a service unready; what is only helpful still shows."""
    answer = client.get("/readyz?exclude=storage&exclude=database")
    assert answer.status_code == 200
    assert answer.json == {"status": "degraded", "degraded": {"revocations": "old"}}


def test_exclude_leaves_the_others(client: FlaskClient) -> None:
    """Excluding one part does not hide another that is down."""
    assert client.get("/readyz?exclude=storage").status_code == 503


def test_liveness_asks_nobody(client: FlaskClient) -> None:
    """A service whose database is away is alive: a restart would not bring it back."""
    assert client.get("/healthz").status_code == 200
