"""`/healthz` and `/readyz`: the parts that they check, and the exclusion of parts."""

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
    """If the database is unavailable, `/readyz` returns 503 with the part and `Retry-After`."""
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json == {"status": "unavailable", "down": {"database": "away"}}
    assert answer.headers["Retry-After"] == "1"


def test_excluded_part_is_not_asked(client: FlaskClient) -> None:
    """An excluded part does not make a service unready; a degraded optional part is reported."""
    answer = client.get("/readyz?exclude=storage&exclude=database")
    assert answer.status_code == 200
    assert answer.json == {"status": "degraded", "degraded": {"revocations": "old"}}


def test_exclude_leaves_the_others(client: FlaskClient) -> None:
    """If one part is excluded, another unavailable part still makes the service unready."""
    assert client.get("/readyz?exclude=storage").status_code == 503


def test_liveness_asks_nobody(client: FlaskClient) -> None:
    """`/healthz` succeeds without the database, because a restart would not help."""
    assert client.get("/healthz").status_code == 200
