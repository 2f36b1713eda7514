"""kill -9 at each step of an upload to an object store."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.faulty_store import Stop, well
from tests.servers.upload_invariants import assert_sound, live
from tests.servers.upload_on_s3 import OnS3
from tests.servers.upload_on_s3_script import Senders, senders

# For each step: the kind of upload, the operation at which the process is killed, how many of these
# operations succeed before, and whether the store has done the last one.
STEPS = {
    "before the bytes are sent": ("small", "put", 0, False),
    "before the row": ("small", "put", 0, True),
    "between the files of a form": ("form", "put", 1, False),
    "when an upload in parts has begun": ("large", "create_multipart", 0, True),
    "in the middle of parts": ("large", "upload_part", 1, True),
    "before Complete": ("large", "complete_multipart", 0, False),
    "after Complete": ("large", "complete_multipart", 0, True),
}


@pytest.fixture(scope="module")
def others() -> Iterator[Senders]:
    """Yield the starter of processes of the service."""
    with senders() as started:
        yield started


@pytest.fixture
def arguments(scene: OnS3, credentials: Path) -> list[str]:
    """Return the arguments of another process of the service, without the kind of upload."""
    settings = scene.service.settings
    return [str(settings.data), str(credentials), settings.blob_url, settings.blob_key_file]


@pytest.mark.parametrize("step", STEPS)
def test_kill(scene: OnS3, others: Senders, arguments: list[str], step: str) -> None:
    """A process that is killed before it commits the file's row leaves no file, and after a sweep
    no object and no part.
    """
    way, operation, before, after = STEPS[step]
    stop = Stop(after=after)
    scene.proxy.order(operation, *[well] * before, last=stop)
    process = others.start(*arguments, way)
    try:
        assert stop.reached.wait(60)
    finally:
        os.kill(process, signal.SIGKILL)
        assert others.ended() == -signal.SIGKILL
    stop.released.set()
    scene.proxy.heal()
    scene.assert_nothing()
    assert scene.answer(way) == (201, "")
    scene.assert_files(way)


@pytest.mark.parametrize("way", ["small", "large"])
def test_kill_after_the_row(scene: OnS3, others: Senders, arguments: list[str], way: str) -> None:
    """A process that is killed between its row and its response leaves the complete file."""
    others.start(*arguments, way, "dies")
    assert others.ended() == -signal.SIGKILL
    assert live(scene.service)
    assert_sound(scene.service)
    scene.assert_files(way)
