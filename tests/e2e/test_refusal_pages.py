"""Refusals as small HTML pages, from the services and nginx, for clients that ask for HTML."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser

import pytest

from servicekit.problem_pages import are_wanted
from tests.servers.wharf.api_client import LARGE, SMALL, Answer, ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.multipart_body import file_part
from tests.servers.wharf.raw_http import exchange, head
from tests.servers.wharf.traces import nothing_stored

CHROME = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;"
    "q=0.8,application/signed-exchange;v=b3;q=0.7"
)
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
CAME_FROM = "https://app.example/upload?step=2&lang=de"
PAGE = {"Accept": CHROME, "Referer": CAME_FROM}
# For each Accept field: whether the client prefers a page (true) or a document (false).
ACCEPTED = {
    "text/html": True,
    "TEXT/HTML": True,
    CHROME: True,
    FIREFOX: True,
    "text/html, */*": True,
    "text/html,*/*;q=0.8": True,
    "text/html, application/xhtml+xml, */*": True,
    "text/html;q=0.9, application/json;q=0.8": True,
    "application/json;q=0.1, text/html;q=0.2": True,
    "text/html;q=0.8": True,
    "text/html;q=1.0, application/json;q=0.9": True,
    "": False,
    "*/*": False,
    "text/plain": False,
    "application/json": False,
    "application/problem+json": False,
    "text/html, application/json": False,
    "application/json, text/html": False,
    "application/problem+json, text/html": False,
    "application/json, text/plain, */*": False,
    "text/html;q=0.5, */*": False,
    "text/html;q=0.5, application/*;q=0.6": False,
    "application/json;q=0.9, text/html;q=0.8": False,
    "text/html;q=0": False,
    "text/html;q=0.0, */*": False,
    "application/xtext/html": False,
    "text/htmlx": False,
    "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2": False,
    "text/html, image/gif, image/jpeg, */*; q=0.2": False,
    # The longest Accept field that Wharf parses, and a field that is longer by one character.
    "text/html," + "text/plain;q=0.5, " * 55: True,
    "text/html," + "text/plain;q=0.5, " * 55 + ",": False,
    "text/html" + " " * 991: True,
    "text/html" + " " * 10_000 + ";q=0.9": False,
}


class _Page(HTMLParser):
    """The parts of a page that a person sees or follows."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.links: list[str | None] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(body.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "a":
            self.links.append(dict(attrs)["href"])

    def handle_data(self, data: str) -> None:
        self.text += f"{data}\n"


def refusals(wharf: Wharf, api: ApiClient) -> Iterator[tuple[str, int, Answer]]:
    """Yield refusals of all services and nginx to a browser, as slug, status and response."""
    anyone = api.using(None)
    ticket = {"Content-Type": "multipart/form-data; boundary=x", **PAGE}
    yield "token-missing", 401, anyone.put("x", SMALL, PAGE)
    yield "token-missing", 401, anyone.put("x", LARGE, PAGE)
    yield "token-missing", 401, anyone.file("x", PAGE)
    yield "not-found", 404, api.file("absent", PAGE)
    yield "invalid-key", 400, api.put("a%e2%80%aeb", LARGE, PAGE)
    yield "invalid-key", 400, api.post(file_part("a\u202eb"), headers=PAGE)
    yield "unsupported-media-type", 415, api.put("x", LARGE, ticket)
    yield "not-found", 404, api.get("/v1/buckets/absent", PAGE)
    yield "not-found", 404, api.get("/v1/uploads/absent", PAGE)
    yield "not-found", 404, anyone.get("/s/none", PAGE)
    yield "not-found", 404, anyone.get("/public/nobody/none/x", PAGE)
    yield "method-not-allowed", 405, anyone.request("DELETE", "/s/none", headers=PAGE)
    yield "token-missing", 401, anyone.get("/auth/v1/tenants", PAGE)
    yield "not-found", 404, anyone.get("/auth/nowhere", PAGE)
    yield "not-found", 404, anyone.get("/metrics", PAGE)
    yield "too-large", 413, anyone.request("PUT", "/v1/buckets/xyz", LARGE * 2, PAGE)
    api.stored("there", LARGE)
    for more in ({}, {"If-Match": "*"}):
        past = {"Range": "bytes=999999999-", **more, **PAGE}
        yield "range-not-satisfiable", 416, api.file("there", past)


def test_every_refusal_is_a_page(wharf: Wharf, api: ApiClient) -> None:
    """A browser gets every refusal as a page that explains the error and links back."""
    for slug, status, answer in refusals(wharf, api):
        assert (answer.status, answer.header("Content-Type")) == (
            status,
            "text/html; charset=utf-8",
        ), (slug, answer.body)
        page = _Page(answer.body)
        assert page.links == [CAME_FROM, f"/problems/{slug}"]
        assert api.get(f"/problems/{slug}").header("Content-Type") == "text/html"
        assert f"HTTP {status}." in page.text
        assert answer.header("X-Request-Id") in page.text
        assert not page.tags & {"script", "style", "form", "img", "iframe", "link"}
        assert "default-src 'none'" in answer.header("Content-Security-Policy")
        assert answer.header("X-Content-Type-Options") == "nosniff"
        if slug == "range-not-satisfiable":
            # nginx cannot remove all of the file's fields from this response (docs/serving.md).
            assert (answer.headers["ETag"], answer.headers["Last-Modified"]) == (None, None)
        else:
            assert answer.header("Cache-Control") == "no-store"


def test_a_page_has_the_fields_of_the_document(wharf: Wharf, api: ApiClient) -> None:
    """A page has the same header fields as the document for programs, except those of its own."""
    own = {"Content-Type", "Content-Length", "X-Request-Id", "Date"}
    anyone = api.using(None)
    for content in (SMALL, LARGE):
        page, document = anyone.put("x", content, PAGE), anyone.put("x", content)
        assert document.slug == "token-missing"
        assert {k: v for k, v in page.headers.items() if k not in own} == {
            k: v for k, v in document.headers.items() if k not in own
        }


@pytest.mark.parametrize("accept", ACCEPTED, ids=lambda accept: accept[:80])
def test_who_gets_a_page(api: ApiClient, accept: str) -> None:
    """A client gets HTML if its Accept prefers HTML to JSON, from every service and from nginx."""
    fields = {"Accept": accept}
    answers = [
        api.file("absent", fields),
        api.get("/v1/buckets/absent", fields),
        api.using(None).put("x", LARGE, fields),
        api.get("/metrics", fields),
        api.get("/auth/nowhere", fields),
    ]
    kinds = [answer.header("Content-Type").partition(";")[0] == "text/html" for answer in answers]
    assert kinds == [ACCEPTED[accept]] * len(answers)
    assert are_wanted(accept) == ACCEPTED[accept]


@pytest.mark.parametrize(
    "referer",
    [
        "javascript:alert(1)",
        'https://app.example/"onclick="alert(1)',
        "https://app.example/<script>",
        "https://app.example/'x",
        "https://app.example/a b",
        "https://app.example/?x=&lt;b&gt;",
        "data:text/html,x",
        "https://app.example/" + "x" * 3000,
        "//evil.example/",
    ],
)
def test_no_address_leads_astray(api: ApiClient, referer: str) -> None:
    """A page does not link to a Referer that could run code or break out of its attribute.

    The page asks the person to go back.
    """
    fields = {"Accept": CHROME, "Referer": referer}
    for answer in (
        api.file("absent", fields),
        api.get("/metrics", fields),
        api.using(None).put("x", LARGE, fields),
    ):
        page = _Page(answer.body)
        assert len(page.links) == 1
        assert "Go back with your browser." in page.text
        assert referer.encode() not in answer.body


def test_names_are_escaped(wharf: Wharf, api: ApiClient) -> None:
    """A name that contains markup appears on the page as text."""
    name = "<script>alert(1)</script>&amp;\u202e"
    with nothing_stored(wharf, api.tenant):
        answer = api.post(file_part(name.replace("/", "")), headers=PAGE)
    assert answer.status == 400
    assert b"<script" not in answer.body
    assert "<script>alert(1)<script>&amp;" in _Page(answer.body).text


def test_head_gets_the_pages_type(api: ApiClient) -> None:
    """HEAD returns status and type of the page, and no body."""
    answer = api.request("HEAD", "/v1/files/default/absent", headers=PAGE)
    assert (answer.status, answer.body) == (404, b"")
    assert answer.header("Content-Type") == "text/html; charset=utf-8"


@pytest.mark.parametrize(("accept", "kind"), [("*/*", "application/problem+json"),
                                              (FIREFOX, "text/html; charset=utf-8")])  # fmt: skip
@pytest.mark.parametrize(
    ("line", "fields", "status"),
    [
        ("PUT /v1/files/default/x HTTP/1.1", ("Content-Length: 1000000000",), 401),
        ("PUT /v1/files/default/x HTTP/1.1", ("Transfer-Encoding: chunked",), 401),
        ("POST /v1/files/default HTTP/1.1", ("Content-Length: 1000000",), 401),
        ("POST /v1/uploads HTTP/1.1", ("Content-Length: 1000000", "Tus-Resumable: 1.0.0"), 401),
        ("PUT /v1/files/default/x HTTP/1.1", ("Content-Length: 999999999999",), 413),
        ("PUT /v1/buckets/xyz HTTP/1.1", ("Content-Length: 1000000",), 413),
        ("PUT /nowhere HTTP/1.1", ("Content-Length: 1000000",), 413),
        ("PUT /metrics HTTP/1.1", ("Content-Length: 10",), 404),
        ("PUT /s/none HTTP/1.1", ("Content-Length: 10",), 405),
        ("GET /a%00b HTTP/1.1", ("Content-Length: 10",), 400),
    ],
)
def test_a_client_that_waits(
    wharf: Wharf, line: str, fields: tuple[str, ...], status: int, accept: str, kind: str
) -> None:
    """A refused request with `Expect` gets the right media type, and no `100 Continue` before."""
    waits = ("Expect: 100-continue", "Connection: close", f"Accept: {accept}")
    (answer,) = exchange(wharf.port, head(line, *fields, *waits))
    assert answer.status == status
    if status == 400:
        # nginx refuses this request before it has read the Accept field.
        assert answer.slug == "malformed-request"
        return
    assert answer.headers["Content-Type"] == kind
    assert answer.slug or answer.body.startswith(b"<!doctype html>")


@pytest.mark.parametrize("expectation", ["200-ok", "something-else; x=y"])
def test_an_expectation_that_nobody_knows(wharf: Wharf, api: ApiClient, expectation: str) -> None:
    """An unknown `Expect` value has no effect (RFC 9110 section 10.1.1 allows this)."""
    for content in (SMALL, LARGE):
        answer = api.put("expected", content, {"Expect": expectation})
        assert answer.status == 201, answer.body
