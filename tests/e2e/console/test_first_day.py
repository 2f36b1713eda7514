"""The first day of a person who uses the console only by the words on its pages.

Each step follows a link or button, or fills in a field, by the exact
words on it. The person starts at the address without a path, and no
step uses another address or a selector. The test also runs in Chinese.
"""

from __future__ import annotations

import secrets

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.servers.pages.looks import DEFAULT, Look
from tests.servers.pages.stage import Stage
from tests.servers.pages.world import PNG
from wharf_console.web.language import loaded

PLAIN = Look(scripts=False, width=360, theme="light", language="en")
CHINESE = Look(scripts=True, width=360, theme="dark", language="zh_Hans")
# Elements that people press and fields that they fill
# in, by their words. The words of child elements count.
_PRESSED = "//*[self::a or self::button or self::summary][normalize-space()='{}']"
_LABELLED = "//*[self::label[normalize-space(text()[1])='{0}'] or @aria-label='{0}']"
_SAYS = "//*[not(self::option)][text()[contains(normalize-space(), '{}')]]"


class Newcomer:
    """A person who reads the page, and presses elements by their words."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def words(self, english: str, **values: object) -> str:
        """Return the words in the person's language."""
        catalog = loaded(self._stage.look.language)
        return catalog.gettext(english) % values if values else catalog.gettext(english)

    def reads(self, english: str) -> None:
        """Check that the page shows a text with these words, up to the first placeholder."""
        self._found(_SAYS, self.words(english).partition("{")[0])

    def is_told_of_one(self, english: str) -> None:
        """Check that the page shows the singular of a text."""
        catalog = loaded(self._stage.look.language)
        self._found(_SAYS, catalog.ngettext(english, english, 1) % {"num": 1})

    def starts_over(self) -> None:
        """Open the address that the operator gave."""
        self._stage.open("/")

    def presses(self, english: str, **values: object) -> None:
        """Press the link or the button with exactly these words."""
        self._found(_PRESSED, self.words(english, **values)).click()

    def opens(self, name: str) -> None:
        """Follow the link with this name, which is the same in each language."""
        self._found(_PRESSED, name).click()

    def sees_no(self, name: str) -> None:
        """Check that no link or button has this name."""
        assert self._shown(_PRESSED.format(name)) is None

    def fills(self, english: str, text: str) -> None:
        """Type into the field with this label."""
        field = self._field(english)
        field.clear()
        field.send_keys(text)

    def chooses(self, english: str, path: str) -> None:
        """Choose a file in the field with this label."""
        self._field(english).send_keys(path)

    def ticks(self, english: str, **values: object) -> None:
        """Tick the box with this label."""
        self._field(english, **values).click()

    def copies(self, english: str, **values: object) -> str:
        """Return the value of the field with this label."""
        return str(self._field(english, **values).get_property("value"))

    def _field(self, english: str, **values: object) -> WebElement:
        label = self._found(_LABELLED, self.words(english, **values))
        if label.tag_name != "label":
            return label
        if name := label.get_attribute("for"):
            return self._stage.browser.find_element(By.ID, name)
        return label.find_element(By.TAG_NAME, "input")

    def _found(self, path: str, words: str) -> WebElement:
        found: WebElement = self._stage.awaited(lambda: self._shown(path.format(words)))
        return found

    def _shown(self, path: str) -> WebElement | None:
        dialogs = self._stage.all("dialog[open]")
        # A dialog covers the rest of the page.
        place = dialogs[-1] if dialogs else self._stage.browser
        every = place.find_elements(By.XPATH, f".{path}")
        return next((one for one in every if one.is_displayed()), None)


@pytest.mark.parametrize("look", [DEFAULT, PLAIN, CHINESE], ids=str)
def test_a_first_day(stage: Stage, look: Look) -> None:
    """A newcomer can log in, upload, find, share and delete a file, and invite a guest."""
    name = f"cat-{secrets.token_hex(4)}.png"
    stage.set(look)
    stage.become("")
    with stage.scripts(on=look.scripts):
        newcomer = Newcomer(stage)
        _logs_in(stage, newcomer)
        _uploads(stage, newcomer, name)
        _finds(newcomer, name)
        link = _shares(newcomer, name)
        address = _invites(newcomer)
        _sends(stage, newcomer, address, f"guest-{name}")
        _is_read(stage, link)
        _logs_in(stage, newcomer)
        _deletes(newcomer, name)
        _deletes_ticked(newcomer, f"guest-{name}")
        stage.open(link)
        assert stage.browser.find_elements(By.TAG_NAME, "img") == []


def _logs_in(stage: Stage, newcomer: Newcomer) -> None:
    login = stage.world.people["newcomer"]
    newcomer.starts_over()
    newcomer.fills("Tenant", login.tenant)
    newcomer.fills("User name", login.username)
    newcomer.fills("Password", login.password)
    newcomer.presses("Log in")
    newcomer.reads("Overview")


def _uploads(stage: Stage, newcomer: Newcomer, name: str) -> None:
    newcomer.presses("Upload a file")
    if not stage.look.scripts:
        newcomer.presses("Upload")
    newcomer.chooses("Files", stage.file(name, PNG))
    if not stage.look.scripts:
        newcomer.presses("Upload")
    newcomer.opens(name)


def _finds(newcomer: Newcomer, name: str) -> None:
    newcomer.starts_over()
    newcomer.opens("default")
    newcomer.fills("Names that begin with", name[:8])
    newcomer.presses("Show")
    newcomer.opens(name)
    # Only the page of a file shows this word.
    newcomer.reads("SHA-256")


def _shares(newcomer: Newcomer, name: str) -> str:
    newcomer.presses("Make a link")
    newcomer.reads("Whoever has a link reads the file, without an account, until the link expires.")
    newcomer.presses("Make a link")
    newcomer.reads("Good until")
    return newcomer.copies("Link to %(name)s", name=name)


def _invites(newcomer: Newcomer) -> str:
    newcomer.presses("Guests")
    newcomer.presses("Invite a guest")
    newcomer.presses("Make the invitation")
    return newcomer.copies("Address for your guest")


def _sends(stage: Stage, newcomer: Newcomer, address: str, name: str) -> None:
    stage.become("")
    stage.open(address)
    newcomer.chooses("Files", stage.file(name, PNG))
    if stage.look.scripts:
        newcomer.reads("Uploaded, {total}")
    else:
        newcomer.presses("Upload")
        newcomer.reads("Your files have arrived")


def _is_read(stage: Stage, link: str) -> None:
    stage.open(link)
    assert stage.browser.find_elements(By.TAG_NAME, "img")


def _deletes(newcomer: Newcomer, name: str) -> None:
    newcomer.opens("default")
    newcomer.opens(name)
    newcomer.reads("SHA-256")
    newcomer.presses("Delete")
    _confirms(newcomer, name)


def _deletes_ticked(newcomer: Newcomer, name: str) -> None:
    newcomer.ticks("Select %(name)s", name=name)
    newcomer.presses("Delete what is selected")
    _confirms(newcomer, name)


def _confirms(newcomer: Newcomer, name: str) -> None:
    newcomer.is_told_of_one("It is gone at once, for everybody, and cannot be brought back.")
    newcomer.presses("Delete")
    newcomer.is_told_of_one("%(num)d file deleted.")
    newcomer.sees_no(name)
