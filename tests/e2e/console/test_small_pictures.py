"""Small pictures on pages of the console."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from tests.e2e.console import inspection
from tests.servers.pages.looks import DEFAULT
from tests.servers.pages.stage import Stage
from tests.servers.pages.world import PNG

FOLDER = "/console/b/default/?prefix=photos/"
#: The limit in bytes for the pictures of a list of three photos.
LIGHT = 40_000
_PICTURES = """
return [...document.images].map((one) => [one.hidden, one.complete, one.naturalWidth])
"""
_WEIGHT = """
return performance.getEntriesByType("resource").filter((one) => one.initiatorType === "img")
  .map(({encodedBodySize}) => encodedBodySize)
"""


def photo(seed: int) -> bytes:
    """Return a photo of two megapixels and more than a megabyte (JPEG)."""
    noise = Image.effect_noise((1600, 1200), 40 + seed)
    shades = Image.linear_gradient("L").resize(noise.size)
    found = io.BytesIO()
    Image.merge("RGB", (noise, shades, noise)).save(found, "JPEG", quality=92)
    return found.getvalue()


@pytest.fixture(scope="module")
def photos(whole: Stage) -> list[bytes]:
    """Store three photos, and a broken picture of which no small picture can be made."""
    made = [photo(number) for number in range(3)]
    for number, content in enumerate(made):
        whole.world.api.stored(f"photos/{number}.jpg", content)
    whole.world.api.stored("broken/x.png", PNG[:40])
    return made


def opened(stage: Stage, path: str, view: str = "list") -> None:
    """Open a list in one of its views, and wait for its pictures."""
    stage.set(DEFAULT)
    stage.become("owner")
    cookie = {"name": "wharf_console_files", "value": view, "url": stage.wharf.url}
    stage.browser.command("Network.setCookie", **cookie)
    stage.open(path)
    stage.awaited(lambda: all(hidden or there for hidden, there, _ in pictures(stage)))


def pictures(stage: Stage) -> list[tuple[bool, bool, int]]:
    """Return for each picture whether it is hidden, whether it is loaded, and its width."""
    return [tuple(one) for one in stage.browser.execute_script(_PICTURES)]


def weights(stage: Stage) -> list[int]:
    """Return the number of bytes of each picture of the page."""
    found: list[int] = stage.browser.execute_script(_WEIGHT)
    return found


@pytest.mark.parametrize(("view", "width"), [("list", 64), ("grid", 256)])
def test_a_list_of_three_photos_is_light(
    stage: Stage, photos: list[bytes], view: str, width: int
) -> None:
    """A page loads small pictures only: for three photos below 40 kB, in a grid below 160 kB."""
    assert sum(map(len, photos)) > 3_000_000
    opened(stage, FOLDER, view)
    assert pictures(stage) == [(False, True, width)] * 3
    found = weights(stage)
    assert len(found) == 3
    assert all(found)
    assert sum(found) < (LIGHT if view == "list" else 4 * LIGHT)
    assert inspection.complaints(stage) == []


@pytest.mark.usefixtures("photos")
def test_the_page_of_a_large_picture_shows_a_small_one(stage: Stage) -> None:
    """The dialog of a large picture shows a small picture of 1,024 pixels instead."""
    opened(stage, FOLDER)
    stage.press("a[data-preview]")
    script = "return document.querySelector('dialog img')?.naturalWidth"
    stage.awaited(lambda: stage.browser.execute_script(script) == 1024)


@pytest.mark.usefixtures("photos")
def test_what_has_no_small_picture_has_its_kind(stage: Stage) -> None:
    """A grid shows the file type in place of a broken picture."""
    opened(stage, "/console/b/default/?prefix=broken/", "grid")
    stage.awaited(lambda: pictures(stage)[0][0])
    kind: Any = stage.one(".thumb.kind")
    assert kind.is_displayed()
    assert kind.text == "png"
    stage.browser.errors()
