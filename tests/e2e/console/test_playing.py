"""Sounds and films on a file's page: their links are short, and playing outlives them."""

from __future__ import annotations

import struct

from tests.e2e.console.looks import DEFAULT
from tests.e2e.console.stage import Stage

#: More than a browser reads ahead.
SECONDS, RATE = 600, 44_100


def silence() -> bytes:
    """A sound of ten minutes (WAV, one channel, 16 bits)."""
    size = SECONDS * RATE * 2
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, RATE * 2, 2, 16)
    return (
        struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE")
        + form
        + struct.pack("<4sI", b"data", size)
        + bytes(size)
    )


def test_a_sound_whose_link_has_ended(stage: Stage) -> None:
    """Its player asks for the address anew, and goes on where it was."""
    stage.set(DEFAULT)
    stage.become("owner")
    api, browser = stage.world.api, stage.browser
    assert api.put("sound.wav", silence()).status in {200, 201}
    stage.open("/console/b/default/f/sound.wav")
    stage.one("audio")

    def player(words: str) -> object:
        return browser.execute_script(
            f"const player = document.querySelector('audio'); return {words}"
        )

    stage.awaited(lambda: player("player.duration") == SECONDS)
    # All links of the tenant end.
    assert api.request("POST", "/v1/links/rotate").status in {200, 204}
    before = len(_lines(stage))
    # Within four seconds (docs/serving.md).
    browser.execute_async_script("setTimeout(arguments[0], 5000)")
    browser.execute_script("document.querySelector('audio').currentTime = arguments[0]", 500)
    stage.awaited(lambda: len(_lines(stage)) > before)
    stage.awaited(
        lambda: player("player.error === null && !player.seeking && player.readyState > 1")
    )
    assert player("player.currentTime") == 500


def _lines(stage: Stage) -> list[object]:
    """Requests for the page's address of the sound, so far."""
    return [
        one
        for one in stage.wharf.log_lines("access")
        if one["path"] == "/console/b/default/open/sound.wav"
    ]
