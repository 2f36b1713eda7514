"""Tests of the files with keys and revocations that the live channel reads: upload's or its own."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest

from servicekit.problems import TOKEN_REVOKED, ProblemError
from servicekit.testing import Issuer
from servicekit.tokens import KeysUnavailable, Principal
from wharf_upload.live import sources as module
from wharf_upload.live.sources import Sources

SOMEBODY = Principal(
    tenant="demo", subject="s", scopes=frozenset(), token_id="bad", expires_at=1 << 40
)


def keep(folder: Path, issuer: Issuer, *revoked: str, age_seconds: float = 0) -> None:
    """Write the files with keys and revocations as a service that follows auth keeps them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "jwks.json").write_text(json.dumps({"keys": [issuer.public_jwk()]}))
    entries = [
        {"seq": number, "kind": "token", "id": name} for number, name in enumerate(revoked, 1)
    ]
    feed = folder / "revocations.jsonl"
    feed.write_text(json.dumps({"entries": entries, "latest": len(entries)}) + "\n")
    heard = time.time() - age_seconds
    os.utime(feed, (heard, heard))


def sources(folder: Path) -> Sources:
    """Return the sources of a process."""
    files = [
        (folder / who / "jwks.json", folder / who / "revocations.jsonl")
        for who in ("theirs", "own")
    ]
    return Sources(files[0], files[1])


def test_beside_an_upload_service(tmp_path: Path, issuer: Issuer) -> None:
    """With an upload service, its files give the keys and the revoked tokens."""
    keep(tmp_path / "theirs", issuer, "bad")
    found = sources(tmp_path)
    assert found.find(issuer.kid) is not None
    assert found.find("unknown") is None
    assert found.keys_error() is found.revocations_error() is found.unheard() is None
    with pytest.raises(ProblemError) as caught:
        found.accepted(SOMEBODY)
    assert caught.value.problem is TOKEN_REVOKED


def test_without_anything(tmp_path: Path) -> None:
    """Without any key no token can be verified, and the sources report both missing files."""
    (tmp_path / "theirs").mkdir()
    found = sources(tmp_path)
    with pytest.raises(KeysUnavailable):
        found.find("any")
    assert found.keys_error() == "no key to verify tokens yet"
    assert found.unheard() is not None


def test_alone(tmp_path: Path, issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an upload service the process fetches both files itself, and ignores older files."""
    keep(tmp_path / "theirs", Issuer("old"), "bad", age_seconds=60)

    class Fetches:
        def __init__(self, url: str, path: Path) -> None:
            assert url == "keys"

        def run(self, stop: threading.Event) -> None:
            pass

    class Follows(Fetches):
        def __init__(self, url: str, path: Path) -> None:
            assert url == "feed"
            keep(path.parent, issuer)

    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr(module, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(module, "Fetcher", Fetches)
    monkeypatch.setattr(module, "FeedFollower", Follows)
    found = sources(tmp_path)
    found.follow_if_alone("keys", "feed", threading.Event())
    assert found.find(issuer.kid) is not None
    found.accepted(SOMEBODY)


def test_nothing_is_followed_beside_an_upload_service(tmp_path: Path, issuer: Issuer) -> None:
    """With an upload service the process fetches nothing and writes no file."""
    keep(tmp_path / "theirs", issuer)
    stop = threading.Event()
    stop.set()
    found = sources(tmp_path)
    found.follow_if_alone("keys", "feed", stop)
    assert not (tmp_path / "own").exists()
