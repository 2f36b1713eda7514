"""Pages that the live channel updates, on a whole Wharf, with changes by a second person."""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.console import inspection
from tests.servers.pages.looks import DEFAULT
from tests.servers.pages.stage import Stage

SIZE = 4_000_000
_TUS = {"Tus-Resumable": "1.0.0"}
_LOG_OUT = """
const csrf_token = document.querySelector("[data-live]").dataset.liveCsrf;
const body = new URLSearchParams({csrf_token});
await fetch("/console/logout", {method: "POST", body, redirect: "manual"});
"""


def opened(stage: Stage, path: str, who: str = "owner", status: str = "Live") -> None:
    """Open a page, wait until it shows this status, and mark it."""
    stage.set(DEFAULT)
    if who == "passing":
        stage.log_in(who)
    else:
        stage.become(who)
    stage.open(path)
    stage.awaited(lambda: stage.text("[data-live-status]") == status)
    stage.browser.execute_script("window.sameAsBefore = true")


def is_same(stage: Stage) -> bool:
    """Tell whether the page has not been loaded again."""
    return bool(stage.browser.execute_script("return window.sameAsBefore === true"))


def test_a_file_of_somebody_else_comes_into_an_open_list(stage: Stage) -> None:
    """A new file of another client appears in a viewer's open list, and ticks in the list stay."""
    api = stage.world.api
    api.stored("together/b.txt")
    opened(stage, "/console/b/default/?prefix=together/", "viewer")
    stage.press("[value='together/b.txt']")
    api.stored("together/a.txt")
    stage.awaited(lambda: len(stage.all("#files tbody tr")) == 2)
    assert [one.is_selected() for one in stage.all("[data-select]")] == [False, True]
    assert stage.text("[data-selection-count]") == "1 selected"
    assert api.request("DELETE", "/v1/files/default/together/a.txt").status == 204
    stage.awaited(lambda: len(stage.all("#files tbody tr")) == 1)
    assert is_same(stage)
    assert inspection.complaints(stage) == []
    assert inspection.secrets(stage) == []


def test_activity_goes_on_by_itself(stage: Stage) -> None:
    """A new event appears immediately in the open list of events, as the first one."""
    opened(stage, "/console/activity")
    stage.world.api.stored("heard-of.txt")
    stage.awaited(lambda: "default/heard-of.txt" in stage.text("#activity tbody tr"))
    assert is_same(stage)


@contextmanager
def uploading(stage: Stage, key: str, go_on: threading.Event) -> Iterator[str]:
    """Upload one half, and the other when `go_on` is set; yield the upload's id in between."""
    api = stage.world.api
    pairs = {"bucket": "default", "key": key}
    told = ",".join(f"{name} {b64encode(text.encode()).decode()}" for name, text in pairs.items())
    fields = {**_TUS, "Upload-Length": str(SIZE), "Upload-Metadata": told}
    answer = api.request("POST", "/v1/uploads", headers=fields)
    assert answer.status == 201, answer.body
    target = answer.header("Location").partition("/v1/")[2]

    def halves() -> Iterator[bytes]:
        yield bytes(SIZE // 2)
        go_on.wait(60)
        yield bytes(SIZE // 2)

    fields = {**_TUS, "Upload-Offset": "0", "Content-Length": str(SIZE)}
    fields["Content-Type"] = "application/offset+octet-stream"
    sent = threading.Thread(
        target=api.request, args=("PATCH", f"/v1/{target}", halves(), fields), daemon=True
    )
    sent.start()
    try:
        yield target.rpartition("/")[2]
    finally:
        go_on.set()
        sent.join()


def test_an_upload_moves_and_goes(stage: Stage) -> None:
    """An upload appears in the list with its first bytes, progresses, and disappears at its end."""
    opened(stage, "/console/uploads")
    go_on = threading.Event()
    with uploading(stage, "moving.bin", go_on) as identifier:
        row = f"#uploads [data-row='{identifier}']"
        bar = f"{row} progress"
        stage.awaited(lambda: float(str(stage.one(bar).get_property("value"))) >= SIZE // 2)
        assert "of 4 MB" in stage.text(f"{row} [data-far]").replace("\N{NO-BREAK SPACE}", " ")
    stage.awaited(lambda: not stage.all(row))
    assert is_same(stage)


def test_a_session_that_ends_elsewhere(stage: Stage) -> None:
    """A page whose session has ended says so, and links to a login that leads back to the page."""
    opened(stage, "/console/b/many/", "passing")
    stage.browser.run(_LOG_OUT)
    stage.awaited(lambda: stage.text("[data-live-status]") == "Your session has ended.")
    stage.press("[data-live-login]")
    stage.awaited(lambda: stage.path() == "/console/login")
    assert "next=/console/b/many/" in stage.browser.current_url
    stage.browser.errors()


def test_a_live_process_that_stands_still(stage: Stage) -> None:
    """A page whose live channel hangs fetches regularly, and later connects again."""
    with stage.wharf.standing_still("live"):
        opened(stage, "/console/uploads", status="Looks every 4 seconds")
        go_on = threading.Event()
        with uploading(stage, "unheard.bin", go_on) as identifier:
            stage.one(f"#uploads [data-row='{identifier}']")
    stage.awaited(lambda: stage.text("[data-live-status]") == "Live")
    assert is_same(stage)
    stage.browser.errors()
