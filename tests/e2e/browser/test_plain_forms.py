"""Plain HTML forms on another origin, in a browser without JavaScript."""

from __future__ import annotations

import json

import pytest
from selenium.webdriver.common.by import By

from tests.e2e.browser.conftest import GATEWAYS_BYTES
from tests.e2e.browser.visitor import EVIL, HTML, OURS, PNG, Visitor

FORM = """
<script>document.title = 'scripts run'</script>
<form method=post enctype=multipart/form-data action="{action}">
  {redirect}
  <input type=file name=photo><input type=text name=title value="a title"><button>Send</button>
</form>
"""

FOLDER = """
<form method=post enctype=multipart/form-data action="{action}">
  <input type=hidden name=paths value=keep>
  <input type=file name=files webkitdirectory multiple><button>Send</button>
</form>
"""


def sent(
    visitor: Visitor, content: bytes, onward: str = "", head: str = "", **rules: object
) -> str:
    """Fill in and send the form, and return the text of the page that the browser then shows.

    `onward` is the form's redirect, `head` is put before
    the form in its page, and `rules` are the ticket's.
    """
    visitor.site.page("<h1>Thank you</h1>", "/thanks")
    visitor.browser.command("Emulation.setScriptExecutionDisabled", value=True)
    ticket = visitor.ticket(**{"redirect": [thanks(visitor)], **rules})
    field = f'<input type=hidden name=redirect value="{onward}">' if onward else ""
    action = f"{visitor.wharf.url}/u/{ticket}"
    visitor.visit(head + FORM.format(action=action, redirect=field))
    assert visitor.browser.title == "page"
    visitor.choose("input[type=file]", visitor.file("photo.png", content))
    visitor.browser.find_element(By.TAG_NAME, "button").click()
    visitor.awaited(lambda: not visitor.browser.current_url.endswith("/page"))
    return str(visitor.browser.find_element(By.TAG_NAME, "body").text)


def thanks(visitor: Visitor) -> str:
    """Return the address of the page to which the ticket allows a redirect."""
    return f"{visitor.site.origin(OURS)}/thanks"


@pytest.mark.parametrize("size", [0, 300_000])
def test_a_form_goes_on(visitor: Visitor, size: int) -> None:
    """A form stores its file, and redirects the visitor to the page that the ticket allows."""
    visitor.bucket()
    assert sent(visitor, PNG + bytes(size), thanks(visitor)) == "Thank you"
    assert visitor.browser.current_url.partition("?")[0] == thanks(visitor)
    assert visitor.stored() == ["photo.png"]


def test_the_tickets_page(visitor: Visitor) -> None:
    """A form without a redirect leads to the page that its ticket names."""
    visitor.bucket()
    assert sent(visitor, PNG) == "Thank you"


def test_no_page_to_go_on_to(visitor: Visitor) -> None:
    """A form without any redirect shows the visitor the JSON of the stored file."""
    visitor.bucket()
    text = sent(visitor, PNG, redirect=[])
    assert json.loads(text)["files"][0]["size"] == len(PNG)


def test_an_address_that_is_not_allowed(visitor: Visitor) -> None:
    """A form with a redirect that its ticket does not list is refused, and stores nothing."""
    visitor.bucket()
    elsewhere = f"{visitor.site.origin(EVIL)}/thanks"
    text = sent(visitor, PNG, elsewhere)
    assert "HTTP 403." in text or "HTTP 422." in text
    assert visitor.stored() == []


def test_a_refused_type(visitor: Visitor) -> None:
    """A visitor reads that HTML is no image, and is not redirected."""
    visitor.bucket(allowed_types=["image/*"])
    text = sent(visitor, HTML, thanks(visitor))
    assert "HTTP 415." in text
    assert "text/html" in text
    assert visitor.stored() == []


@pytest.mark.parametrize("size", [6_000_000, GATEWAYS_BYTES + 1])
def test_a_refused_size(visitor: Visitor, size: int) -> None:
    """A visitor reads that the file is too large, for the ticket's limit or for nginx's."""
    visitor.bucket()
    text = sent(visitor, bytes(size), max_file_bytes=5_000_000)
    assert "Too large" in text
    assert "HTTP 413." in text
    assert visitor.stored() == []


def test_the_way_back(visitor: Visitor) -> None:
    """The page of a refusal has a link back to the page to which the form would redirect."""
    visitor.bucket(allowed_types=["image/*"])
    sent(visitor, HTML, f"{thanks(visitor)}?of=1", redirect=[f"{visitor.site.origin(OURS)}/"])
    visitor.browser.find_element(By.LINK_TEXT, "Go back").click()
    visitor.awaited(lambda: visitor.browser.current_url == f"{thanks(visitor)}?of=1")


def test_a_page_that_tells_nobody(visitor: Visitor) -> None:
    """A form on a page with a strict policy and no referrer works, and its refusal links back."""
    visitor.bucket(allowed_types=["image/*"])
    policy = f"default-src 'none'; form-action {visitor.wharf.url} {visitor.site.origin(OURS)}"
    strict = (
        '<meta name="referrer" content="no-referrer">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    )
    assert sent(visitor, PNG, thanks(visitor), strict) == "Thank you"
    assert "HTTP 415." in sent(visitor, HTML, head=strict)
    visitor.browser.find_element(By.LINK_TEXT, "Go back").click()
    visitor.awaited(lambda: visitor.browser.current_url == thanks(visitor))
    assert visitor.stored() == ["photo.png"]


def test_a_folder(visitor: Visitor) -> None:
    """A folder that is chosen in a plain form is stored with its paths."""
    visitor.bucket()
    folder = visitor.folder / "trip"
    for name in ("a.txt", "day/b.txt"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    visitor.site.page("<h1>Thank you</h1>", "/thanks")
    ticket = visitor.ticket(redirect=[thanks(visitor)])
    visitor.visit(FOLDER.format(action=f"{visitor.wharf.url}/u/{ticket}"))
    visitor.choose("input[type=file]", str(folder))
    visitor.browser.find_element(By.TAG_NAME, "button").click()
    visitor.awaited(lambda: visitor.browser.current_url.startswith(thanks(visitor)))
    assert visitor.stored() == ["trip/a.txt", "trip/day/b.txt"]


def test_the_ticket_is_in_no_referrer(visitor: Visitor) -> None:
    """The referrer of the page after the form does not contain the ticket's address."""
    visitor.bucket()
    sent(visitor, PNG, thanks(visitor))
    visitor.browser.command("Emulation.setScriptExecutionDisabled", value=False)
    assert "/u/" not in visitor.browser.run("return document.referrer")
