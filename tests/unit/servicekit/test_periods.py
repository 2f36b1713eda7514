"""Periods that the documentation promises: the greatest age of a service's knowledge."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from servicekit import feed_follower, revocations
from servicekit.jwks import Fetcher, KeyFile
from servicekit.revocations import Revocations
from servicekit.testing import Issuer
from tests.servers.auth import Clock
from tests.servers.promised import RIGHTS_SECONDS
from tests.servers.web import Reply, serving


@pytest.mark.parametrize(("age", "told"), [(0, False), (4.5, False), (5.5, True), (60, True)])
def test_an_old_feed_is_told(tmp_path: Path, age: float, *, told: bool) -> None:
    """A service reports an old feed when it has received nothing for five seconds."""
    path = tmp_path / "revocations.jsonl"
    path.write_bytes(b"")
    heard_at = time.time() - age
    os.utime(path, (heard_at, heard_at))
    assert (Revocations(path).error() is not None) is told


def test_asking_and_looking_are_within_the_promise() -> None:
    """Together the follower and the reader of the feed wait at most half of the five seconds."""
    waits = feed_follower.POLL_SECONDS + revocations._POLL_SECONDS
    assert waits <= RIGHTS_SECONDS / 2


def test_a_retired_key_is_refused_after_five_minutes(issuer: Issuer, tmp_path: Path) -> None:
    """The key set is fetched after five minutes, and then a retired key verifies no token."""
    clock, retired = Clock(1_800_000_000), Issuer("retired")
    shown = [issuer, retired]

    def shown_keys(_: object) -> Reply:
        return Reply(json.dumps({"keys": [one.public_jwk() for one in shown]}).encode())

    with serving(shown_keys) as server:
        fetcher = Fetcher(server.url, tmp_path / "jwks.json", clock)
        keys = KeyFile(tmp_path / "jwks.json", clock)
        fetcher.step()
        shown.remove(retired)
        clock.now += 299
        fetcher.step()
        assert keys.find("retired")
        clock.now += 1
        fetcher.step()
        clock.now += 1
        assert keys.find("retired") is None
