"""Sounds and films on a file's page, which play on when their short links have ended."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.servers.browser import Browser
from tests.servers.pages.looks import DEFAULT
from tests.servers.pages.stage import Stage

SECONDS, RATE = 600, 44_100
#: On a faster network the browser could load the whole sound before its link ends.
NETWORK_BYTES_PER_SECOND = 2_000_000


def silence() -> bytes:
    """Return a sound of ten minutes (WAV, one channel, 16 bits)."""
    size = SECONDS * RATE * 2
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, RATE * 2, 2, 16)
    return (
        struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE")
        + form
        + struct.pack("<4sI", b"data", size)
        + bytes(size)
    )


def test_a_sound_whose_link_has_ended(stage: Stage) -> None:
    """A player whose link has ended fetches a new link, and continues at its position."""
    stage.set(DEFAULT)
    stage.become("owner")
    api, browser = stage.world.api, stage.browser
    assert api.put("sound.wav", silence()).status in {200, 201}

    def player(words: str) -> object:
        return browser.execute_script(
            f"const player = document.querySelector('audio'); return {words}"
        )

    with slow_network(browser):
        stage.open("/console/b/default/f/sound.wav")
        stage.one("audio")
        stage.awaited(lambda: player("player.duration") == SECONDS)
        _ends_and_goes_on(stage, player)


def _ends_and_goes_on(stage: Stage, player: Callable[[str], object]) -> None:
    api, browser = stage.world.api, stage.browser
    # This request ends all links of the tenant.
    assert api.request("POST", "/v1/links/rotate").status in {200, 204}
    before = len(_lines(stage))
    # Links end within four seconds (docs/serving.md).
    browser.execute_async_script("setTimeout(arguments[0], 5000)")
    browser.execute_script("document.querySelector('audio').currentTime = arguments[0]", 500)
    stage.awaited(lambda: len(_lines(stage)) > before)
    stage.awaited(
        lambda: player("player.error === null && !player.seeking && player.readyState > 1")
    )
    assert player("player.currentTime") == 500


@contextmanager
def slow_network(browser: Browser) -> Iterator[None]:
    """Limit the browser's network to NETWORK_BYTES_PER_SECOND while the context lasts."""
    browser.set_network_conditions(offline=False, latency=0, throughput=NETWORK_BYTES_PER_SECOND)
    try:
        yield
    finally:
        browser.delete_network_conditions()


def _lines(stage: Stage) -> list[object]:
    """Return the log lines of requests for the player's address, which redirects to a link."""
    return [
        one
        for one in stage.wharf.log_lines("access")
        if one["path"] == "/console/b/default/open/sound.wav"
    ]
