"""Somebody who has never seen the console does what they came for by its words alone.

Each step follows a link or button by what is written on it, from the first page on: no address is
typed, and nothing is known of the pages but what a person reads there.
"""

from __future__ import annotations

import secrets

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.e2e.console.looks import DEFAULT, Look
from tests.e2e.console.stage import Stage
from tests.e2e.console.world import PNG

PLAIN = Look(scripts=False, width=360, theme="light", language="en")


class Newcomer:
    """Reads what is on the page, and presses what says so."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def sees(self, words: str) -> WebElement:
        """What these words are on, or, where they are not alone, what has them in it."""
        exactly = f'//*[text()[normalize-space()="{words}"]]'
        within = f'//*[text()[contains(normalize-space(), "{words}")]]'
        found: WebElement = self._stage.awaited(lambda: self._shown(exactly) or self._shown(within))
        return found

    def _shown(self, path: str) -> WebElement | None:
        dialogs = self._stage.all("dialog[open]")
        # A dialog is in front of everything else.
        place = dialogs[-1] if dialogs else self._stage.browser
        every = place.find_elements(By.XPATH, f".{path}")
        return next((one for one in every if one.is_displayed()), None)

    def presses(self, words: str) -> None:
        """Presses what says so."""
        self.sees(words).click()

    def fills(self, label: str, text: str) -> None:
        """Types into the field with this label."""
        path = f'//label[contains(normalize-space(), "{label}")]'
        (found, *_) = self._stage.browser.find_elements(By.XPATH, path)
        name = found.get_attribute("for")
        self._stage.type(f"#{name}", text)


@pytest.mark.parametrize("look", [DEFAULT, PLAIN], ids=str)
def test_a_first_day(stage: Stage, look: Look) -> None:
    """Log in, upload, find, share and delete a file, and invite a guest who sends one."""
    name = f"cat-{secrets.token_hex(4)}.png"
    stage.set(look)
    with stage.scripts(on=look.scripts):
        stage.log_in("newcomer")
        newcomer = Newcomer(stage)
        _uploads(stage, newcomer, name)
        _finds(stage, newcomer, name)
        _shares(stage, newcomer, name)
        address = _invites(stage, newcomer)
        _sends(stage, address, f"guest-{name}")
        stage.log_in("newcomer")
        _deletes(stage, newcomer, name)
        newcomer.sees(f"guest-{name}")


def _uploads(stage: Stage, newcomer: Newcomer, name: str) -> None:
    newcomer.presses("default")
    if stage.look.scripts:
        stage.choose("input[name=files]", stage.file(name, PNG))
        stage.one(".tray [data-state=done]")
    else:
        newcomer.presses("Upload")
        stage.choose("input[name=files]", stage.file(name, PNG))
        stage.press(".drop-zone button[type=submit]")
    newcomer.sees(name)


def _finds(stage: Stage, newcomer: Newcomer, name: str) -> None:
    newcomer.presses("Wharf")
    newcomer.presses("default")
    newcomer.fills("Names that begin with", name[:8])
    newcomer.presses("Show")
    newcomer.presses(name)
    newcomer.sees("SHA-256")


def _shares(stage: Stage, newcomer: Newcomer, name: str) -> None:
    newcomer.presses("Make a link")
    newcomer.sees("Whoever has a link")
    newcomer.presses("Make a link")
    newcomer.sees("Good until")
    assert "/s/" in str(stage.one("main input[readonly]").get_property("value"))


def _invites(stage: Stage, newcomer: Newcomer) -> str:
    newcomer.presses("Tickets")
    newcomer.presses("Invite a guest")
    newcomer.presses("Make the ticket")
    newcomer.sees("Address for your guest")
    return str(stage.one("#address").get_property("value"))


def _sends(stage: Stage, address: str, name: str) -> None:
    stage.become("")
    stage.open(address)
    stage.choose("input[name=files]", stage.file(name, PNG))
    if stage.look.scripts:
        stage.one(".tray [data-state=done]")
    else:
        stage.press(".drop-zone button[type=submit]")
        stage.one("main [role=status]")


def _deletes(stage: Stage, newcomer: Newcomer, name: str) -> None:
    newcomer.presses("default")
    newcomer.presses(name)
    newcomer.presses("Delete")
    newcomer.sees("They are gone at once")
    newcomer.presses("Delete")
    newcomer.sees("deleted")
