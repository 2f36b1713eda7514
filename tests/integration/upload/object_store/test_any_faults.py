"""Concurrent uploads through an object store that fails at random."""

from __future__ import annotations

import hashlib
import random
import threading

import pytest

from tests.servers.faulty_store import (
    Exchange,
    Reply,
    answer,
    cut,
    cut_before,
    flip,
    late,
    silent,
    swallow,
    well,
)
from tests.servers.upload import UploadService
from tests.servers.upload_invariants import live
from tests.servers.upload_on_s3 import LARGE, OnS3, waiting

FAULTS = (answer(503, "SlowDown"), cut, cut_before, flip, late(0.05), silent, swallow)
WEIGHTS = (4, 4, 4, 4, 4, 1, 1)
WRITERS, FILES = 4, 12


class Chance:
    """A fault in about a third of all requests."""

    def __init__(self, seed: int) -> None:
        self._random, self._lock = random.Random(seed), threading.Lock()

    def __call__(self, exchange: Exchange) -> Reply:
        with self._lock:
            fails = self._random.random() < 0.35
            (fault,) = self._random.choices(FAULTS, WEIGHTS) if fails else (well,)
        changes = exchange.operation in {"put", "upload_part"}
        return (well if fault is flip and not changes else fault)(exchange)


class Writer(threading.Thread):
    """A client that sends files one after the other, each with its own content."""

    def __init__(self, service: UploadService, number: int) -> None:
        super().__init__()
        self._service, self._number = service, number
        self.acknowledged: dict[str, str] = {}
        self.refused: dict[str, int] = {}

    def run(self) -> None:
        """Send all files."""
        for count in range(FILES):
            key = f"{self._number}/{count}"
            content = key.encode() * 100
            # Only one thread sends spooled bodies, as the gateway would.
            if self._number == 0 and count % 4 == 0:
                content += LARGE
            status = self._service.put(key, content, spooled=self._number == 0).status_code
            if status == 201:
                self.acknowledged[key] = hashlib.sha256(content).hexdigest()
            else:
                self.refused[key] = status


@pytest.mark.parametrize("seed", [1, 2])
def test_any_faults(scene: OnS3, seed: int) -> None:
    """Each 201 has its file with its bytes, each refusal has no file, and a sweep
    removes the rest.
    """
    scene.proxy.order("*", last=Chance(seed))
    writers = [Writer(scene.service, number) for number in range(WRITERS)]
    with waiting(0.5):
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
    scene.proxy.heal()
    acknowledged = {key: digest for one in writers for key, digest in one.acknowledged.items()}
    refused = {key: status for one in writers for key, status in one.refused.items()}
    assert len(acknowledged) + len(refused) == WRITERS * FILES
    assert set(refused.values()) <= {500, 503}
    assert len(acknowledged) > WRITERS
    assert live(scene.service) == acknowledged
    scene.assert_swept()
    assert live(scene.service) == acknowledged
