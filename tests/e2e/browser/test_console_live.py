"""Lists of the console that the page updates regularly, on pages of tests."""

from __future__ import annotations

from selenium.webdriver.common.by import By

from tests.e2e.browser.person import Person

LIST = """
<p class="with-scripts"><label><input type="checkbox" checked autocomplete="off" data-live="#list"
data-live-every="1"> Keep it up to date</label></p>
<div id="list"><p data-rate="1" data-offset="{{ offset }}" data-word-now="{size} a second"
  data-word-still="Nothing is coming">at first</p></div>
"""


def test_a_list_that_is_kept_up_to_date(person: Person) -> None:
    """The page fetches a list again while its box is ticked, and shows how fast its sizes grow."""

    def words() -> str:
        return str(person.browser.find_element(By.CSS_SELECTOR, "[data-rate]").text)

    def tick() -> None:
        person.browser.find_element(By.CSS_SELECTOR, "[data-live]").click()

    person.browser.get(person.pages.page(LIST, offset="0"))
    assert words() == "at first"
    person.pages.page(LIST, offset="40000000")
    person.awaited(lambda: words().endswith("MB a second"))
    person.awaited(lambda: words() == "Nothing is coming")
    tick()
    person.pages.page(LIST, offset="80000000")
    person.wait(2)
    assert words() == "Nothing is coming"
    tick()
    person.awaited(lambda: words().endswith("MB a second"))
