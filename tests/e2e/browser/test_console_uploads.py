"""The console's uploads by script, in a browser: many files, folders, pauses, reloads, outages."""

from __future__ import annotations

from selenium.webdriver.common.by import By

from tests.e2e.browser.person import BUCKET, SLOW, Person
from tests.e2e.browser.visitor import HTML, PNG
from tests.servers.console_pages import CSRF


def test_several_files(person: Person) -> None:
    """Files that are chosen together are stored under their names with one ticket."""
    person.bucket()
    person.visit(prefix="in/")
    names = ["a.txt", "头像.txt", "A.txt", "100%20.txt", "<img src=x onerror=alert(1)>.txt"]
    person.choose(*(person.file(name, name.encode()) for name in names))
    person.awaited(lambda: person.states() == ["done"] * len(names))
    assert sorted(person.api.listed(BUCKET)) == sorted(f"in/{name}" for name in names)
    assert person.pages.asked == [({"bucket": BUCKET, "prefix": "in/"}, CSRF)]


def test_a_chosen_folder(person: Person) -> None:
    """A chosen folder keeps the paths of its files; the file manager's own files are left out."""
    person.bucket()
    person.visit(prefix="in/")
    for name in ("trip/one.txt", "trip/day 2/two.txt", "trip/.DS_Store"):
        person.file(name, name.encode())
    person.choose(str(person.folder / "trip"), selector="input[webkitdirectory]")
    person.awaited(lambda: person.states() == ["done"] * 2)
    assert sorted(person.api.listed(BUCKET)) == ["in/trip/day 2/two.txt", "in/trip/one.txt"]


def _drop(person: Person, *paths: str) -> None:
    for step in ("dragEnter", "dragOver", "drop"):
        person.browser.command(
            "Input.dispatchDragEvent",
            type=step,
            x=20,
            y=20,
            data={"items": [], "files": list(paths), "dragOperationsMask": 1},
        )


def test_dropped_on_the_page(person: Person) -> None:
    """Files and folders that a person drops at the corner of the page are stored."""
    person.bucket()
    person.visit()
    person.file("deep/a/b.txt", b"b")
    _drop(person, person.file("c.txt", b"c"), str(person.folder / "deep"))
    person.awaited(lambda: person.states() == ["done"] * 2)
    assert sorted(person.api.listed(BUCKET)) == ["c.txt", "deep/a/b.txt"]


def test_pasted(person: Person) -> None:
    """A pasted picture gets a name that contains the time."""
    person.bucket()
    person.visit()
    person.browser.run(
        "const data = new DataTransfer();"
        "data.items.add(new File([new Uint8Array(args[0])], 'image.png', {type: 'image/png'}));"
        "document.body.dispatchEvent("
        "  new ClipboardEvent('paste', {clipboardData: data, bubbles: true}))",
        list(PNG),
    )
    person.awaited(lambda: person.states() == ["done"])
    (key,) = person.api.listed(BUCKET)
    assert key.startswith("image 20")
    assert key.endswith(".png")


def test_pause_and_resume(person: Person) -> None:
    """A paused upload sends nothing, and after a resume continues as the same upload."""
    _, digest = person.begin("film.bin", 12, 0.2)
    person.press("film.bin", "pause")
    person.awaited(lambda: person.states() == ["paused"])
    before = person.sent()
    person.wait(1)
    assert person.sent() == before
    focused = person.browser.switch_to.active_element
    assert focused.accessible_name == "Resume film.bin"
    focused.click()
    person.awaited(lambda: person.states() == ["done"])
    assert person.stored() == {"film.bin": digest}
    assert person.creations() == 1


def test_a_reload_in_the_middle(person: Person) -> None:
    """After a reload the queue continues its uploads without asking the person for the files."""
    person.bucket()
    person.visit()
    person.line(SLOW)
    path, digest = person.large("film.bin", 20)
    person.choose(path, person.file("small.txt", b"small"))
    person.awaited(lambda: person.rows().get("small.txt", ("",))[0] == "done")
    person.awaited(lambda: person.sent() > 0.5)
    person.wait(0.7)
    person.browser.refresh()
    person.ready()
    person.awaited(lambda: person.rows().get("film.bin", ("",))[0] == "done")
    assert person.stored()["film.bin"] == digest
    assert person.creations() == 2


def test_the_network_goes_and_comes_back(person: Person) -> None:
    """An upload without a network is shown as offline, and continues when the network is back."""
    _, digest = person.begin("train.bin", 20, 0.45)
    person.line(off=True)
    person.awaited(lambda: person.states() == ["offline"])
    person.wait(1.5)
    person.line()
    person.awaited(lambda: person.states() == ["done"])
    assert person.stored() == {"train.bin": digest}
    assert person.creations() == 1


def test_wharf_goes_and_comes_back(person: Person) -> None:
    """An upload waits while Wharf responds with 503, and continues as the same upload."""
    _, digest = person.begin("train.bin", 20, 0.45)
    person.pages.down = True
    person.wait(4)
    assert person.states()[0] not in {"done", "failed"}
    person.pages.down = False
    person.line()
    person.awaited(lambda: person.states() == ["done"])
    assert person.stored() == {"train.bin": digest}
    assert person.creations() == 1


def test_a_file_that_the_browser_did_not_keep(person: Person) -> None:
    """After a reload the page asks for a file that the browser lost, and refuses other files.

    When the person chooses the file, the upload continues.
    """
    path, digest = person.begin("film.bin", 20, 0.5)
    person.press("film.bin", "pause")
    person.wait(0.7)
    person.browser.run(
        "const db = await new Promise(r => { const q = indexedDB.open('uppy-blobs');"
        "  q.onsuccess = () => r(q.result); });"
        "const wiped = db.transaction(['files'], 'readwrite').objectStore('files').clear();"
        "await new Promise(r => { wiped.onsuccess = r; }); db.close();"
    )
    person.browser.refresh()
    person.ready()
    person.awaited(lambda: person.states() == ["missing"])
    assert "Choose it again" in person.rows()["film.bin"][1]
    person.line()
    # The button's field is not in the page; the test puts the field there instead of a file dialog.
    person.browser.run(
        "HTMLInputElement.prototype.click = function () {"
        "  window.opened = this; document.body.append(this); }"
    )
    field = "body > input[type=file]"
    person.press("film.bin", "choose")
    person.choose(person.file("other/film.bin", b"other"), selector=field)
    other = ("missing", "That is another file, or it has changed.")
    person.awaited(lambda: person.rows()["film.bin"] == other)
    person.browser.run("window.opened.remove()")
    person.press("film.bin", "choose")
    person.choose(path, selector=field)
    person.awaited(lambda: person.states() == ["done"])
    assert person.stored() == {"film.bin": digest}
    assert person.creations() == 1


def test_a_guest(person: Person) -> None:
    """A guest's page uploads with its ticket, and shows that the ticket is used up."""
    person.bucket()
    give = person.tickets(max_files=1)
    _, answer = give({"bucket": BUCKET, "prefix": "from guests/"})
    person.visit_as_guest(answer["ticket"])
    person.file("trip/a.txt", b"a")
    person.choose(str(person.folder / "trip"), selector="input[webkitdirectory]")
    person.awaited(lambda: person.states() == ["done"])
    assert person.api.listed(BUCKET) == ["from guests/trip/a.txt"]
    assert person.pages.asked == []
    person.choose(person.file("b.txt", b"b"))
    person.awaited(lambda: person.rows().get("b.txt", ("",))[0] == "failed")
    assert "used up" in person.rows()["b.txt"][1].lower(), person.rows()


def test_a_refusal(person: Person) -> None:
    """A refused file shows title and detail of its problem, and can be uploaded again.

    Other files are stored.
    """
    person.bucket(allowed_types=["image/*"])
    person.visit()
    person.choose(person.file("page.png", HTML), person.file("dot.png", PNG))
    person.awaited(lambda: sorted(person.states()) == ["done", "failed"])
    _, words = person.rows()["page.png"]
    title, _, detail = words.partition(": ")
    assert "type" in title.lower(), words
    assert "text/html" in detail, words
    assert person.api.listed(BUCKET) == ["dot.png"]
    person.bucket()
    person.press("page.png", "retry")
    person.awaited(lambda: person.states() == ["done", "done"])


def test_a_taken_name(person: Person) -> None:
    """A file with a taken name is renamed, and its row shows the new name with a link."""
    person.bucket()
    person.visit()
    person.choose(person.file("a.txt", b"first"))
    person.awaited(lambda: person.states() == ["done"])
    person.press("a.txt", "dismiss")
    person.choose(person.file("a.txt", b"second, longer"))
    person.awaited(lambda: person.states() == ["done"])
    assert person.rows()["a.txt"] == (
        "done",
        "Uploaded as a (2).txt, because its own name was taken",
    )
    link = person.browser.find_element(By.CSS_SELECTOR, "[data-uploads-list] a")
    assert str(link.get_attribute("href")).endswith("/console/b/photos/f/a%20(2).txt")


def test_cancel(person: Person) -> None:
    """A cancelled upload leaves nothing behind on the server."""
    person.begin("film.bin", 12, 0.2)
    person.press("film.bin", "cancel")
    person.awaited(lambda: not person.rows())
    person.line()
    person.awaited(lambda: person.api.used() == (0, 0))


def test_tickets_end(person: Person) -> None:
    """A ticket that soon expires is replaced before the next request of an upload."""
    person.bucket()
    person.pages.ticket = person.tickets(seconds=60)
    person.visit()
    path, digest = person.large("film.bin", 20)
    person.choose(path)
    person.awaited(lambda: person.states() == ["done"])
    assert person.stored() == {"film.bin": digest}
    assert len(person.pages.asked) > 2


def test_a_used_up_ticket(person: Person) -> None:
    """The page replaces a ticket after a refusal has shown that the ticket is used up."""
    person.bucket()
    person.pages.ticket = person.tickets(max_files=1)
    person.visit()
    for name in ("a.txt", "b.txt"):
        person.choose(person.file(name, name.encode()))
        person.awaited(lambda: set(person.states()) == {"done"})
    assert sorted(person.api.listed(BUCKET)) == ["a.txt", "b.txt"]


def test_the_session_ends(person: Person) -> None:
    """Without a session an upload shows a link to the login, and continues on a later page."""
    person.bucket()
    person.pages.ticket = lambda _: (401, {"title": "Not logged in"})
    person.visit()
    person.choose(person.file("a.txt", b"a"))
    person.awaited(lambda: person.states() == ["failed"])
    assert person.rows()["a.txt"][1] == "Your session has ended. Log in, and the uploads go on."
    assert person.browser.find_element(By.CSS_SELECTOR, "[data-uploads-login]").is_displayed()
    person.wait(0.7)
    person.pages.ticket = person.tickets()
    person.browser.refresh()
    person.ready()
    person.awaited(lambda: person.states() == ["done"])
    assert person.api.listed(BUCKET) == ["a.txt"]


def test_a_second_tab(person: Person) -> None:
    """A second tab does not send the first tab's files again."""
    _, digest = person.begin("film.bin", 12, 0.1)
    first = person.browser.current_window_handle
    person.browser.switch_to.new_window("tab")
    try:
        person.visit()
        assert person.rows() == {}
    finally:
        person.browser.close()
        person.browser.switch_to.window(first)
    person.awaited(lambda: person.states() == ["done"])
    assert person.stored() == {"film.bin": digest}
    assert person.creations() == 1


def test_the_list_is_fetched_again(person: Person) -> None:
    """When files have been stored, the page fetches its list of files again."""
    person.bucket()
    person.visit(region="#files")
    path = "/console/page"
    page = person.pages.pages[path].decode()
    person.pages.pages[path] = page.replace('id="files">', 'id="files">a.txt').encode()
    person.choose(person.file("a.txt", b"a"))
    person.awaited(lambda: person.browser.find_element(By.ID, "files").text == "a.txt")


def test_no_token_is_kept(person: Person) -> None:
    """Neither a ticket nor a CSRF token is in the browser's storage."""
    person.begin("film.bin", 12, 0.2)
    kept = person.browser.run(
        "const open = name => new Promise(r => { const q = indexedDB.open(name);"
        "  q.onsuccess = () => r(q.result); });"
        "const all = store => new Promise(r => { const q = store.getAll();"
        "  q.onsuccess = () => r(q.result); });"
        "const db = await open('uppy-blobs');"
        "const found = await all(db.transaction(['metadata']).objectStore('metadata'));"
        "db.close();"
        "return JSON.stringify([found, {...localStorage}, {...sessionStorage}])"
    )
    assert "film.bin" in kept
    assert CSRF not in kept
    assert "eyJ" not in kept


def test_more_files_than_are_at_hand(person: Person) -> None:
    """A folder of 230 files is stored completely, the summary counts all files, the
    list shows 50.
    """
    person.bucket()
    person.visit()
    for number in range(230):
        person.file(f"many/{number}.txt", b"%d" % number)
    person.choose(str(person.folder / "many"), selector="input[webkitdirectory]")
    summary = person.browser.find_element(By.CSS_SELECTOR, "[data-uploads-summary]")
    person.awaited(lambda: "of 230 uploaded" in summary.text)
    person.awaited(lambda: summary.text == "230 of 230 uploaded.")
    assert len(person.api.listed(BUCKET)) == 230
    assert len(person.rows()) == 50


def test_cancel_all(person: Person) -> None:
    """One button cancels all unfinished uploads, even those that the list does not show."""
    person.bucket()
    person.visit()
    person.line(100_000)
    for number in range(130):
        person.file(f"many/{number}.txt", bytes(50_000))
    person.choose(str(person.folder / "many"), selector="input[webkitdirectory]")
    button = person.browser.find_element(By.CSS_SELECTOR, "[data-uploads-all=cancel]")
    person.awaited(button.is_displayed)
    button.click()
    person.awaited(lambda: set(person.states()) <= {"done"})
    person.line()
    arrived = len(person.states())
    person.wait(1.5)
    assert len(person.states()) == arrived
    assert person.api.used()[1] == arrived < 130
