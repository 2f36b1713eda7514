"""Fixtures: an issuer of tokens, a verifier, and a clock that a test sets."""

from __future__ import annotations

import time

import pytest

from servicekit.testing import AUDIENCE, ISSUER, Issuer
from servicekit.tokens import Verifier
from tests.servers.auth import Clock


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def clock() -> Clock:
    return Clock(time.time())


@pytest.fixture
def verifier(issuer: Issuer, clock: Clock) -> Verifier:
    return Verifier(issuer, issuer=ISSUER, audience=AUDIENCE, clock=clock)
