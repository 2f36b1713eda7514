"""Tests of the addresses to which a form may redirect its browser."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit.tickets import Ticket
from wharf_upload.domain.redirects import BadRedirect, check, page_of

TICKET = Ticket(
    bucket="photos",
    prefix="",
    redirect=("https://app.example/done", "https://app.example/folder/", "http://[::1]:3000/"),
)
ORIGINS = ("https://shop.example", "http://localhost:3000")


@pytest.mark.parametrize(
    "target",
    [
        "https://app.example/done",
        "https://app.example/folder/",
        "https://app.example/folder/a/b?c=d#e",
        "HTTPS://App.Example:443/folder/a",
        "http://[::1]:3000/x",
        "http://[::1]:3000/",
        "https://shop.example/anywhere",
        "https://shop.example",
        "http://localhost:3000/thanks?x=%2e%2e",
    ],
)
def test_allowed(target: str) -> None:
    """A listed address, one below a listed folder, and any page of a listed origin are allowed."""
    assert check(target, TICKET, ORIGINS) == target


@pytest.mark.parametrize(
    "target",
    [
        "",
        "/done",
        "//app.example/done",
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://app.example/folder/a",
        "https://app.example/done?next=1",
        "https://app.example/done/more",
        "https://app.example/other",
        "http://app.example/folder/a",
        "https://app.example:8443/folder/a",
        "https://app.example.evil.example/folder/a",
        "https://app.example@evil.example/folder/a",
        "https://evil.example\\@app.example/folder/",
        "https://app.example\\.evil.example/folder/",
        "https://app.example/folder/../admin",
        "https://app.example/folder/%2e%2E/admin",
        "https://app.example/folder/.",
        "https://app.example/folder/a\r\nSet-Cookie: x=1",
        "https://app.example/folder/a b",
        "https://app.example/folder/\u65e5",
        "https://shop.example.evil.example/",
        "https://evil.example/?https://shop.example/",
        "https://evil.example/#https://app.example/folder/",
        "https://app.example/folder/" + "x" * 2048,
        " https://app.example/done",
    ],
)
def test_refused(target: str) -> None:
    """Any other address is refused, similar ones and unusual spellings included."""
    with pytest.raises(BadRedirect):
        check(target, TICKET, ORIGINS)


def test_nothing_is_allowed_by_default() -> None:
    """Without a ticket and without origins no address is allowed."""
    with pytest.raises(BadRedirect):
        check("https://app.example/done", None, ())
    with pytest.raises(BadRedirect):
        check("https://app.example/done", Ticket(bucket="photos", key="a"), ())


def test_an_odd_list() -> None:
    """An invalid entry in a list allows nothing, not even itself."""
    for entry in ("/", "", "javascript:alert(1)", "https:///", "https://app.example/folder/../"):
        ticket = Ticket(bucket="photos", prefix="", redirect=(entry,))
        with pytest.raises(BadRedirect):
            check(entry, ticket, ())
        with pytest.raises(BadRedirect):
            check("https://evil.example/", ticket, ())


@given(
    st.text(alphabet="htps:/.@\\?#%2eEaexmpl-[]0589 \r\n", max_size=40)
    | st.tuples(
        st.sampled_from(["https://app.example", "https://shop.example", "http://evil"]),
        st.text(alphabet="/.@\\?#%2efold\t:", max_size=12),
    ).map("".join)
)
def test_what_is_allowed_goes_to_a_listed_host(target: str) -> None:
    """An allowed address leads to a listed host, as a URL parser reads it."""
    try:
        check(target, TICKET, ORIGINS)
    except BadRedirect:
        return
    parts = urlsplit(target)
    assert parts.scheme in {"http", "https"}
    assert parts.username is None
    assert parts.hostname in {"app.example", "shop.example", "localhost", "::1"}


def test_a_site_is_its_root() -> None:
    """The root allows the whole site, even if the address has no slash or has the default port."""
    ticket = Ticket(bucket="photos", key="a", redirect=("http://app.example/",))
    for target in ("http://app.example", "http://app.example:80/a", "http://app.example/a"):
        assert check(target, ticket, ()) == target
    assert check("http://a.example:80/", None, ("http://a.example",)) == "http://a.example:80/"


def test_the_longest_address() -> None:
    """An address has at most 2048 characters."""
    longest = "https://app.example/folder/".ljust(2048, "x")
    assert check(longest, TICKET, ()) == longest
    with pytest.raises(BadRedirect):
        check(longest + "x", TICKET, ())


@pytest.mark.parametrize(
    ("ticket", "page"),
    [
        (None, None),
        (Ticket(bucket="photos", key="a"), None),
        (TICKET, "https://app.example/done"),
        (
            Ticket(bucket="photos", key="a", redirect=("https://a.example/", "b")),
            "https://a.example/",
        ),
        (Ticket(bucket="photos", key="a", redirect=("nowhere", "https://a.example/")), None),
    ],
)
def test_the_page_of_a_ticket(ticket: Ticket | None, page: str | None) -> None:
    """The page of a ticket is the first address of the ticket, if this address is valid."""
    assert page_of(ticket) == page
