"""Test of the probe that checks for many callers whether the bucket can be used."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any, cast

import pytest

from wharf_upload.storage.errors import StoreUnavailable
from wharf_upload.storage.s3 import probe
from wharf_upload.storage.s3.keys import KeyFile
from wharf_upload.storage.s3.wire import Answer, Wire


class SilentStore:
    """A store that responds once, and then does not respond until `ends` is set."""

    def __init__(self) -> None:
        self.requests, self.asked, self.ends = 0, Event(), Event()

    def send(self, *_: Any, **__: Any) -> Answer:
        """Return a response to the first request; fail later ones when `ends` is set."""
        self.requests += 1
        if self.requests > 1:
            self.asked.set()
            self.ends.wait(30)
            raise StoreUnavailable("no answer")
        return Answer({}, b"<ListBucketResult/>")


def test_one_waits_for_a_silent_store(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """While one caller waits for the store, all others get the last result and send no request."""
    monkeypatch.setattr(probe, "_HOLDS_SECONDS", 0.0)
    store = SilentStore()
    keys = KeyFile(str(tmp_path_factory.mktemp("keys") / "keys"))
    found = probe.Probe(cast(Wire, store), keys, "")
    assert found.error() is None
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(found.error)
        assert store.asked.wait(30)
        others = [found.error() for _ in range(20)]
        assert (others, store.requests, waiting.done()) == ([None] * 20, 2, False)
        store.ends.set()
        assert waiting.result() == "no answer"
