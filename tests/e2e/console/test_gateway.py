"""nginx in front of the console: redirects, static files, limits, and failures of the console."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.test_refusal_pages import ACCEPTED
from tests.servers.console_pages import DIST
from tests.servers.pages.visitor import CHROME, Visitor
from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.instance import Wharf, running
from tests.servers.wharf.raw_http import exchange, head, until

POLICY = "Content-Security-Policy"


@pytest.mark.parametrize("accept", ACCEPTED)
def test_who_is_led_to_the_console(wharf: Wharf, accept: str) -> None:
    """`/` redirects a client that prefers HTML to the console; any other client gets a 404."""
    answer = ApiClient(wharf.port).get("/", {"Accept": accept})
    assert "Accept" in ", ".join(answer.headers.get_all("Vary") or [])
    if ACCEPTED[accept]:
        # The redirect has no host or scheme, because a proxy may end TLS before this gateway.
        assert (answer.status, answer.header("Location")) == (302, "/console/")
    else:
        assert (answer.status, answer.slug) == (404, "not-found")
    assert answer.header("X-Content-Type-Options") == "nosniff"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_form_sent_to_the_start_page_is_led_nowhere(wharf: Wharf, method: str) -> None:
    """A request to `/` that is no GET is not redirected."""
    answer = ApiClient(wharf.port).request(method, "/", headers={"Accept": CHROME})
    assert answer.status in {404, 405}


def test_without_the_slash(wharf: Wharf) -> None:
    """The address of the console without its last slash redirects to the console."""
    status, fields, _ = Visitor(wharf).request("GET", "/console")
    assert (status, fields["Location"]) == (302, "/console/")


def test_headers_of_a_page_are_the_consoles(wharf: Wharf) -> None:
    """A page of the console has each security field once, with the console's own policy."""
    status, fields, _ = Visitor(wharf).request("GET", "/console/login")
    assert status == 200
    for name in (POLICY, "X-Content-Type-Options", "Referrer-Policy", "X-Request-Id"):
        assert len(fields.get_all(name) or []) == 1, name
    assert "sandbox" not in fields[POLICY]
    assert "script-src 'self'" in fields[POLICY]


def scripts(wharf: Wharf) -> list[str]:
    """Return the addresses of the static files that the login page loads."""
    _, _, page = Visitor(wharf).request("GET", "/console/login")
    return re.findall(r'(?:src|href)="(/console/static/[^"]+)"', page)


def test_files_of_a_page(wharf: Wharf) -> None:
    """nginx serves static files compressed, with the right type and permanent caching."""
    found = scripts(wharf)
    assert found
    visitor = Visitor(wharf)
    for path in found:
        status, fields, text = visitor.request("GET", path)
        assert status == 200
        assert fields["Cache-Control"] == "public, max-age=31536000, immutable"
        kind = {"css": "text/css", "js": "text/javascript"}[path.rpartition(".")[2]]
        assert fields["Content-Type"] == f"{kind}; charset=utf-8"
        assert fields["X-Content-Type-Options"] == "nosniff"
        assert fields["Cross-Origin-Resource-Policy"] == "same-origin"
        packed = ApiClient(wharf.port).get(path, {"Accept-Encoding": "gzip"})
        assert packed.header("Content-Encoding") == "gzip"
        assert packed.header("Vary") == "Accept-Encoding"
        assert gzip.decompress(packed.body) == text.encode()


@pytest.mark.parametrize(
    "target",
    [
        "/console/static/",
        "/console/static/manifest.json",
        "/console/static/.build.json",
        "/console/static/%2ebuild.json",
        "/console/static/none.js",
        "/console/static/..%2f..%2fapp.py",
        "/console/static/../../app.py",
        "/console/static../app.py",
        "/console/static/%2e%2e/src/console.js",
        "/console/metrics",
    ],
)
def test_nothing_else_is_to_be_had(wharf: Wharf, target: str) -> None:
    """No address serves the records of the build, files next to the static folder, or metrics."""
    assert (DIST / ".build.json").is_file(), "the build's record has another name"
    status, _, text = Visitor(wharf).request("GET", target)
    assert status in {303, 400, 404}
    assert "import" not in text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_files_are_only_read(wharf: Wharf, method: str) -> None:
    """Any other method on a static file is refused."""
    for path in scripts(wharf):
        status, _, _ = Visitor(wharf).request(method, path)
        assert status in {404, 405}


def test_how_much_a_form_may_bring(wharf: Wharf) -> None:
    """A form of a megabyte reaches the console; nginx refuses a larger form with an error page."""
    visitor = Visitor(wharf)
    status, fields, _ = visitor.request("POST", "/console/login", b"x" * 1_048_576)
    assert status in {400, 403}
    assert "sandbox" not in fields[POLICY]
    addresses = ("/console/login", "/console/", "/docs", "/docs/x", "/console/static/none.js")
    for address in addresses:
        status, fields, page = visitor.request("POST", address, b"x" * 1_200_000)
        assert status == 413, address
        assert fields["Content-Type"] == "text/html; charset=utf-8"
        assert "larger than this address accepts" in page


def test_a_file_is_asked_for_without_a_body(wharf: Wharf) -> None:
    """A request for a missing static file gets 413 if it states the length of a large body.

    Without a stated length the request gets 413 or 404.
    """
    (answer,) = exchange(
        wharf.port,
        head("GET /console/static/none.js HTTP/1.1", "Content-Length: 99999999999"),
    )
    assert answer.status == 413
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    fields = ("Transfer-Encoding: chunked", "Connection: close")
    answers = exchange(
        wharf.port,
        head("GET /console/static/none.js HTTP/1.1", *fields) + chunk * 32 + b"0\r\n\r\n",
    )
    assert [answer.status for answer in answers] in ([413], [404])


def test_a_large_page_comes_whole(wharf: Wharf) -> None:
    """The login page whose address has a `next` of 8,000 characters gets a 200."""
    status, _, _ = Visitor(wharf).request("GET", f"/console/login?next=/console/{'x' * 8000}")
    assert status == 200


def test_a_ticket_is_in_no_log(wharf: Wharf) -> None:
    """The gateway's log masks the ticket in a guest's address, in any spelling."""
    visitor, secret = Visitor(wharf), "eyJ.a-guests-ticket.of-this-test"
    for prefix in ("/console/drop/", "//console//drop/", "/console/%64rop/", "/x/../console/drop/"):
        visitor.request("GET", f"{prefix}{secret}")
    assert until(lambda: wharf.log("access").count("/console/drop/(masked)") >= 4)
    assert secret not in wharf.log("access")
    assert secret not in wharf.log("console")


def test_host_and_request_id_reach_the_console(wharf: Wharf) -> None:
    """The response and the console's log line have the request id that the client sent."""
    name = "console-request-0001"
    _, fields, _ = Visitor(wharf).request("GET", "/console/login", X_Request_Id=name)
    assert fields["X-Request-Id"] == name
    assert until(lambda: any(one.get("request_id") == name for one in wharf.log_lines("console")))


@pytest.fixture(scope="module")
def patient() -> Iterator[Wharf]:
    """Start a Wharf that serves few page requests a second and lets few wait."""
    with running(WHARF_ADDRESS_CONSOLE_PER_SECOND="5", WHARF_ADDRESS_CONSOLE_WAITING="8") as found:
        yield found


def test_a_flood_of_pages_waits_and_is_refused(patient: Wharf) -> None:
    """In a flood some page requests wait, the rest gets 429, and API requests are served."""
    # Each address has its own limit, and the pages of other tests count for theirs.
    visitor = Visitor(patient, address="127.0.0.2")
    with ThreadPoolExecutor(30) as browsers:
        asked = [browsers.submit(visitor.request, "GET", "/console/login") for _ in range(30)]
        assert ApiClient(patient.port).get("/readyz").status == 200
    statuses = Counter(one.result()[0] for one in asked)
    assert statuses.keys() == {200, 429}
    # nginx accepts the 8 requests that may wait, and
    # those for which the rate has time during the flood.
    assert 8 <= statuses[200] < 25


def test_without_the_console_a_page_says_so(patient: Wharf) -> None:
    """API requests are served while the console hangs or its socket is missing.

    Without the socket a browser gets an error page, and an API client gets a problem document.
    """
    with patient.standing_still("console"):
        assert ApiClient(patient.port).get("/readyz").status == 200
    (run,) = patient.data.glob("run")
    socket = run / "console.sock"
    aside = socket.with_name("aside")
    socket.rename(aside)
    try:
        status, fields, page = Visitor(patient).request("GET", "/console/")
        assert (status, fields["Retry-After"]) == (503, "1")
        assert fields["Content-Type"] == "text/html; charset=utf-8"
        assert "<h1>Temporarily unavailable</h1>" in page
        assert "sandbox" in fields[POLICY]
        answer = ApiClient(patient.port).get("/console/", {"Accept": "application/json"})
        answer.problem(503, "unavailable")
        assert ApiClient(patient.port).get("/readyz").status == 200
    finally:
        aside.rename(socket)
    assert Visitor(patient).request("GET", "/console/login")[0] == 200
