"""Interrupted uploads, on the console's own pages and through the gateway."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator

import pytest

from tests.servers.pages.looks import DEFAULT
from tests.servers.pages.stage import Stage

SLOW = 3_000_000
SIZE = 20_000_000


@pytest.fixture
def sending(stage: Stage) -> Iterator[tuple[Stage, str, str]]:
    """Yield a person who has sent a part of a large file, with the file's name and digest."""
    content, name = os.urandom(SIZE), f"film-{secrets.token_hex(4)}.bin"
    stage.set(DEFAULT)
    stage.become("editor")
    stage.open("/console/b/default/")
    line(stage, SLOW)
    stage.choose("input[name=files]", stage.file(name, content))
    stage.awaited(lambda: sent(stage) > 0.2)
    yield stage, name, hashlib.sha256(content).hexdigest()
    line(stage)


def line(stage: Stage, bytes_per_second: int = -1, *, off: bool = False) -> None:
    """Set the upload speed of the browser's connection, or take the browser offline."""
    speed = {"downloadThroughput": -1, "uploadThroughput": bytes_per_second}
    stage.browser.command("Network.enable")
    stage.browser.command("Network.emulateNetworkConditions", offline=off, latency=0, **speed)


def sent(stage: Stage) -> float:
    """Return the part of the upload that is sent, between 0 and 1."""
    return float(str(stage.one(".tray progress").get_property("value")))


def arrives(stage: Stage, name: str, digest: str) -> None:
    """Check that the upload ends, with the file stored once and with the bytes that were sent."""
    stage.one(".tray [data-state=done]")
    found = [key for key in stage.world.api.listed() if key.startswith(name[:12])]
    assert found == [name]
    assert stage.world.api.get(f"/v1/metadata/default/{name}").json()["sha256"] == digest


def test_the_network_is_killed(sending: tuple[Stage, str, str]) -> None:
    """An upload without a network waits, and continues when the network is back."""
    stage, name, digest = sending
    line(stage, off=True)
    stage.one(".tray [data-state=offline]")
    line(stage)
    arrives(stage, name, digest)


def test_the_network_is_killed_and_the_page_is_loaded_again(
    sending: tuple[Stage, str, str],
) -> None:
    """An upload that a network failure interrupts continues on the next page."""
    stage, name, digest = sending
    stage.browser.execute_async_script("setTimeout(arguments[0], 1000)")
    line(stage, off=True)
    stage.one(".tray [data-state=offline]")
    line(stage)
    stage.open("/console/")
    arrives(stage, name, digest)
    # The next page does not show the completed upload.
    stage.open("/console/b/default/")
    assert stage.all(".tray li") == []


def test_leaving_the_page_when_a_file_has_arrived(stage: Stage) -> None:
    """A file that has just been stored is not uploaded again on the next page."""
    name = f"{secrets.token_hex(4)}.txt"
    stage.set(DEFAULT)
    stage.become("editor")
    for number in range(5):
        stage.open("/console/b/default/")
        stage.choose("input[name=files]", stage.file(f"{number}-{name}", b"small"))
        stage.one(".tray [data-state=done]")
        stage.open("/console/")
        assert stage.all(".tray li") == []
