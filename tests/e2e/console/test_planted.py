"""Scripts in names, which pages show as text and never run.

The walk (`test_walk.py`) checks on every page that
no script ran. This module checks the shown text.
"""

from __future__ import annotations

import pytest

from tests.e2e.console import inspection
from tests.servers.pages.looks import DEFAULT
from tests.servers.pages.stage import Stage
from tests.servers.pages.world import PLANTED, planted_key

#: The page and the element that show a name of each kind.
SHOWN = {
    "person": ("/console/", "header .who"),
    "tenant": ("/console/", "header .tenant"),
    "event": ("/console/", "#events ~ div"),
    "file": ("/console/b/default/", "#files"),
    "folder": ("/console/b/default/", "#files a.folder"),
    "metadata": (f"/console/b/default/f/{planted_key()}", "main h2 ~ dl"),
}


@pytest.mark.parametrize("kind", SHOWN)
def test_a_name_is_text(stage: Stage, kind: str) -> None:
    """A name with a script appears unchanged as text, and the script does not run."""
    path, selector = SHOWN[kind]
    stage.set(DEFAULT)
    stage.become("owner")
    # This upload is the newest event.
    api = stage.world.api
    assert api.put(planted_key()).status in {200, 201}
    metadata = {"metadata": {PLANTED: PLANTED}}
    answer = api.send_json("PATCH", f"/v1/metadata/default/{planted_key()}", metadata)
    assert answer.status == 200
    stage.open(path)
    # The page replaces slashes in keys, because slashes would make folders.
    shown = "".join(str(one.get_property("textContent")) for one in stage.all(selector))
    assert PLANTED in shown.replace("\N{DIVISION SLASH}", "/")
    assert inspection.ran(stage) is None
    assert inspection.complaints(stage) == []


@pytest.mark.parametrize("target", ["prefix", "next", "bucket", "address"])
def test_an_address_with_a_script(stage: Stage, target: str) -> None:
    """A page whose address contains a script neither runs the script nor contains its element."""
    script = "%22%3E%3Cimg%20src=x%20onerror=window.ran=1%3E"
    path = {
        "prefix": f"/console/b/default/?prefix={script}",
        "next": f"/console/login?next=/console/{script}",
        "bucket": f"/console/b/{script}/",
        "address": f"/console/{script}",
    }[target]
    stage.set(DEFAULT)
    stage.become("" if target == "next" else "owner")
    stage.open(path)
    assert inspection.ran(stage) is None
    assert inspection.complaints(stage) == []
    assert stage.all("img[src=x]") == []


def test_a_text_with_a_script(stage: Stage) -> None:
    """The preview of a text file shows the file's script as text, and does not run the script."""
    text = f"notes\n{PLANTED}\n<script>top.ran = 3; parent.document.title = 'ran'</script>\n"
    assert stage.world.api.put("notes.txt", text.encode()).status in {200, 201}
    stage.set(DEFAULT)
    stage.become("owner")
    stage.open("/console/b/default/f/notes.txt")
    box = stage.one("iframe[sandbox='']")
    stage.browser.switch_to.frame(box)
    try:
        stage.awaited(lambda: "notes" in stage.text("body"))
        assert stage.text("body").strip() == text.strip()
    finally:
        stage.browser.switch_to.default_content()
    assert inspection.ran(stage) is None
    assert inspection.complaints(stage) == []
