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
#: What the pictures of a list of three photos may weigh.
LIGHT = 40_000
_PICTURES = """
return [...document.images].map((one) => [one.hidden, one.complete, one.naturalWidth])
"""
_WEIGHT = """
return performance.getEntriesByType("resource").filter((one) => one.initiatorType === "img")
  .map(({encodedBodySize}) => encodedBodySize)
"""


def photo(seed: int) -> bytes:
    """A photo of two megapixels and more than a megabyte (JPEG)."""
    noise = Image.effect_noise((1600, 1200), 40 + seed)
    shades = Image.linear_gradient("L").resize(noise.size)
    found = io.BytesIO()
    Image.merge("RGB", (noise, shades, noise)).save(found, "JPEG", quality=92)
    return found.getvalue()


@pytest.fixture(scope="module")
def photos(whole: Stage) -> list[bytes]:
    """Three photos, and beside them a picture of which there is no small one."""
    made = [photo(number) for number in range(3)]
    for number, content in enumerate(made):
        whole.world.api.stored(f"photos/{number}.jpg", content)
    whole.world.api.stored("broken/x.png", PNG[:40])
    return made


def opened(stage: Stage, path: str, view: str = "list") -> None:
    """Opens a list in one of its looks, and waits for its pictures."""
    stage.set(DEFAULT)
    stage.become("owner")
    cookie = {"name": "wharf_console_files", "value": view, "url": stage.wharf.url}
    stage.browser.command("Network.setCookie", **cookie)
    stage.open(path)
    stage.awaited(lambda: all(hidden or there for hidden, there, _ in pictures(stage)))


def pictures(stage: Stage) -> list[tuple[bool, bool, int]]:
    """Of each picture of the page: whether it is hidden and there, and how wide it is."""
    return [tuple(one) for one in stage.browser.execute_script(_PICTURES)]


def weights(stage: Stage) -> list[int]:
    """How many bytes each picture of the page has."""
    found: list[int] = stage.browser.execute_script(_WEIGHT)
    return found


@pytest.mark.parametrize(("view", "width"), [("list", 64), ("grid", 256)])
def test_a_list_of_three_photos_is_light(
    stage: Stage, photos: list[bytes], view: str, width: int
) -> None:
    """Lists load small pictures alone: the three of a list are below 40 kB together."""
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
    """In the dialog over the list: 1,024 pixels wide, until somebody opens it."""
    opened(stage, FOLDER)
    stage.press("a[data-preview]")
    script = "return document.querySelector('dialog img')?.naturalWidth"
    stage.awaited(lambda: stage.browser.execute_script(script) == 1024)


@pytest.mark.usefixtures("photos")
def test_what_has_no_small_picture_has_its_kind(stage: Stage) -> None:
    """A grid shows what stands for a broken picture, and its page says that there is none."""
    opened(stage, "/console/b/default/?prefix=broken/", "grid")
    stage.awaited(lambda: pictures(stage)[0][0])
    kind: Any = stage.one(".thumb.kind")
    assert kind.is_displayed()
    assert kind.text == "png"
    stage.browser.errors()
