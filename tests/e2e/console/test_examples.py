"""The ways to upload that tutorials show, used by a person on the console's example pages."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.servers.pages.looks import LOOKS
from tests.servers.pages.stage import Stage
from tests.servers.pages.world import PNG

EXAMPLES = "/console/examples/"
PLAIN = next(look for look in LOOKS if not look.scripts and look.language == "en")
SCRIPTS = LOOKS[0]


@pytest.fixture
def plain(stage: Stage) -> Iterator[Stage]:
    """Yield a person in a browser without scripts; the examples' folder has only a picture."""
    _clear(stage)
    stage.set(PLAIN)
    stage.become("editor")
    with stage.scripts(on=False):
        yield stage
    _clear(stage)


@pytest.fixture
def scripted(stage: Stage) -> Iterator[Stage]:
    """Yield a person in a browser with scripts; the examples' folder has only a picture."""
    _clear(stage)
    stage.set(SCRIPTS)
    stage.become("editor")
    yield stage
    _clear(stage)


def _clear(stage: Stage) -> None:
    for name in stored(stage):
        if name != "dot.png":
            assert stage.world.api.delete(quote(f"examples/{name}")).status == 204


def stored(stage: Stage) -> list[str]:
    """Return the names of the files in the examples' folder."""
    keys = stage.world.api.listed()
    return [key.removeprefix("examples/") for key in keys if key.startswith("examples/")]


def send(stage: Stage, example: str, *files: tuple[str, bytes]) -> None:
    """Choose the files on the page, and send its form."""
    stage.open(EXAMPLES + example)
    if files:
        stage.choose("#try ~ form input[type=file]", *(stage.file(*one) for one in files))
    stage.press("#try ~ form button")


def is_told(stage: Stage, example: str) -> None:
    """Check that the same page shows that the file is stored."""
    stage.one("main [role=status]")
    assert stage.path() == EXAMPLES + example


@pytest.mark.parametrize("example", ["one-file", "many-files", "no-file", "thumbnails", "dropzone"])
def test_a_plain_form(plain: Stage, example: str) -> None:
    """Each example accepts a file without scripts, and shows its page again."""
    send(plain, example, ("cat.png", PNG))
    is_told(plain, example)
    assert "cat.png" in stored(plain)


@pytest.mark.parametrize("example", ["many-files", "thumbnails"])
def test_many_files(plain: Stage, example: str) -> None:
    """Several files that are chosen together are all stored."""
    send(plain, example, ("a.png", PNG), ("b.png", PNG))
    is_told(plain, example)
    assert {"a.png", "b.png"} <= set(stored(plain))


def test_one_that_is_not_taken(plain: Stage) -> None:
    """A form with a file of a forbidden type stores no file, and its refusal links back."""
    send(plain, "many-files", ("a.png", PNG), ("b.bin", b"\x7fELF\x02\x01\x01" + bytes(64)))
    plain.awaited(lambda: "HTTP 415." in plain.text("body"))
    assert "a.png" not in stored(plain)
    plain.press("body a")
    plain.one("#try ~ form")
    assert plain.path() == f"{EXAMPLES}many-files"


def test_no_file_chosen(plain: Stage) -> None:
    """A form without a file is refused with an explanation and a link back."""
    send(plain, "no-file")
    plain.awaited(lambda: "no file" in plain.text("body"))
    plain.press("body a")
    plain.one("#try ~ form")
    assert plain.path() == f"{EXAMPLES}no-file"


def test_a_required_field(plain: Stage) -> None:
    """The browser itself sends no form without a file if the field is required."""
    send(plain, "one-file")
    assert plain.path() == f"{EXAMPLES}one-file"
    assert plain.all("#picture:invalid")


def test_pictures_under_the_form(plain: Stage) -> None:
    """An uploaded picture is shown under the form."""
    send(plain, "thumbnails", ("cat.png", PNG))
    is_told(plain, "thumbnails")
    script = "return [...document.querySelectorAll('.grid img')].map(one => one.naturalWidth)"
    plain.awaited(lambda: plain.browser.execute_script(script) == [1, 1])
    assert plain.text(".grid").split() == ["cat.png", "dot.png"]


def test_dropzone(scripted: Stage) -> None:
    """dropzone 5.7.1 uploads a chosen file with progress, and shows the detail of a refusal."""
    scripted.open(f"{EXAMPLES}dropzone")
    assert scripted.browser.execute_script("return Dropzone.version") == "5.7.1"
    scripted.choose(".dz-hidden-input", scripted.file("notes.txt", b"some words\n"))
    scripted.one(".dz-success")
    width = "return document.querySelector('[data-dz-uploadprogress]').style.width"
    assert scripted.browser.execute_script(width) == "100%"
    scripted.choose(".dz-hidden-input", scripted.file("big.bin", bytes(20_000_001)))
    scripted.one(".dz-error")
    words = scripted.text(".dz-error [data-dz-errormessage]")
    assert "20000000" in words.replace(",", "").replace(" ", "")
    assert "{" not in words
    assert "notes.txt" in stored(scripted)
    assert "big.bin" not in stored(scripted)
