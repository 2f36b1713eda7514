"""Pages that the person leaves before the console has saved its queue of uploads."""

from __future__ import annotations

import pytest

from tests.e2e.browser.person import BUCKET, SLOW, Person
from tests.e2e.browser.visitor import HTML

#: With this script the page cannot save its queue,
#: as if the person left the page in the next moment.
_LATE = """
const put = IDBObjectStore.prototype.put;
IDBObjectStore.prototype.put = function (...given) {
  if (this.name === 'metadata') throw new Error('the page was left before');
  return put.apply(this, given);
};
"""


@pytest.fixture
def sending(person: Person) -> str:
    """Send a part of a file, stop the saving of the queue, and return the file's digest."""
    _, digest = person.begin("film.bin", 12, 0.2)
    person.wait(0.7)
    person.browser.run(_LATE)
    return digest


def _left(person: Person) -> None:
    person.browser.refresh()
    person.ready()
    person.wait(1)


def test_leaving_when_a_file_has_just_arrived(person: Person, sending: str) -> None:
    """A file that has just arrived is stored once; the next pages do not ask for the file again."""
    person.line()
    person.awaited(lambda: person.states() == ["done"])
    for _ in range(2):
        _left(person)
        assert person.rows() == {}
    assert person.stored() == {"film.bin": sending}
    person.choose(person.file("film.bin", b"another one"))
    person.awaited(lambda: person.states() == ["done"])
    assert person.api.listed(BUCKET) == ["film (2).bin", "film.bin"]


def test_leaving_when_an_upload_was_just_cancelled(person: Person, sending: str) -> None:
    """An upload that has just been cancelled does not continue on the next page."""
    assert sending
    person.press("film.bin", "cancel")
    person.awaited(lambda: not person.rows())
    _left(person)
    assert person.rows() == {}
    assert person.stored() == {}


def test_leaving_when_an_upload_was_just_paused(person: Person, sending: str) -> None:
    """An upload that was just paused is paused on the next page, and continues when resumed."""
    person.press("film.bin", "pause")
    person.awaited(lambda: person.states() == ["paused"])
    _left(person)
    assert person.states() == ["paused"]
    person.line()
    person.press("film.bin", "resume")
    person.awaited(lambda: person.states() == ["done"])
    assert person.stored() == {"film.bin": sending}
    assert person.creations() == 1


def test_leaving_when_an_upload_was_just_begun(person: Person) -> None:
    """An upload that has just begun continues on the next page, without a second creation."""
    person.bucket()
    person.visit()
    # The page saves the queue while the creation has no response yet.
    person.browser.run(
        "const send = XMLHttpRequest.prototype.send;"
        "XMLHttpRequest.prototype.send = function (...given) {"
        "  setTimeout(() => send.apply(this, given), 900); };"
        f"setTimeout(() => {{ {_LATE} }}, 800)"
    )
    path, digest = person.large("film.bin", 12)
    person.choose(path)
    person.awaited(lambda: person.creations() == 1)
    person.awaited(
        lambda: "uploadUrl" in person.browser.run("return JSON.stringify({...localStorage})")
    )
    _left(person)
    person.awaited(lambda: not person.states() or person.states() == ["done"])
    person.awaited(lambda: person.stored() == {"film.bin": digest})
    assert person.creations() == 1


def test_leaving_when_a_file_was_just_refused(person: Person) -> None:
    """A file that has just been refused is not uploaded again on the next page."""
    person.bucket(allowed_types=["image/*"])
    person.visit()
    person.line(20_000)
    person.choose(person.file("page.png", HTML + bytes(20_000)))
    person.wait(0.8)
    person.browser.run(_LATE)
    person.line()
    person.awaited(lambda: person.states() == ["failed"])
    begun = person.creations()
    _left(person)
    assert person.rows() == {}
    assert person.creations() == begun


def test_leaving_before_a_file_is_kept(person: Person) -> None:
    """The page asks before a person leaves it, until the browser has copied the chosen files."""
    person.bucket()
    person.visit()
    person.line(SLOW)
    asks = (
        "const leaving = new Event('beforeunload', {cancelable: true});"
        "return !window.dispatchEvent(leaving)"
    )
    path, _ = person.large("film.bin", 20)
    person.choose(path)
    person.awaited(person.rows)
    assert person.browser.run(asks)
    person.awaited(lambda: not person.browser.run(asks))
    assert person.states() != ["done"]
