"""Language and theme: the browser's preferences apply until the person chooses."""

from __future__ import annotations

import pytest

from tests.servers.console import Console


@pytest.mark.parametrize(
    ("accepted", "tag"),
    [
        ("", "en"),
        ("de", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-Hans"),
        ("zh", "zh-Hans"),
        ("zh-Hans-SG", "zh-Hans"),
        ("fr, zh;q=0.5, en;q=0.4", "zh-Hans"),
        ("en-GB, zh", "en"),
        ("zh;q=0, en", "en"),
        ("*", "en"),
        ("\x00;;;q=x", "en"),
    ],
)
def test_the_language_is_what_the_browser_likes(console: Console, accepted: str, tag: str) -> None:
    """A page is in the language that the browser prefers, and its attribute `lang` names it."""
    page = console.visitor().get("/console/login", headers={"Accept-Language": accepted}).text
    assert f'<html lang="{tag}">' in page
    assert ("登录" in page) == (tag == "zh-Hans")


def test_a_choice_holds_before_and_after_the_login(console: Console) -> None:
    """The choice of language and theme belongs to the browser, and applies to a visitor, too."""
    browser = console.visitor()
    form = {"language": "zh_Hans", "theme": "dark", "next": "/console/login"}
    assert browser.post("/console/preferences", form).location == "/console/login"
    assert '<html lang="zh-Hans" data-theme="dark">' in browser.get("/console/login").text


@pytest.mark.parametrize(
    "form", [{"language": "xx", "theme": "dark"}, {"language": "en", "theme": '"><script>'}, {}]
)
def test_a_choice_of_nothing_changes_nothing(console: Console, form: dict[str, str]) -> None:
    """An unknown language or theme in the form is ignored."""
    browser = console.visitor()
    browser.post("/console/preferences", form)
    assert '<html lang="en">' in browser.get("/console/login").text


def test_a_cookie_of_nothing_changes_nothing(console: Console) -> None:
    """Cookies with an unknown language or theme are ignored."""
    browser = console.visitor()
    browser.client.set_cookie("wharf_console_language", "../../etc")
    browser.client.set_cookie("wharf_console_theme", '"><script>')
    assert '<html lang="en">' in browser.get("/console/login").text


def test_labels_of_forms_are_translated_for_each_request(console: Console) -> None:
    """A form's labels are translated for each request."""
    browser = console.visitor()
    assert ">Tenant</label>" in browser.get("/console/login").text
    chinese = browser.get("/console/login", headers={"Accept-Language": "zh"}).text
    assert ">租户</label>" in chinese
