"""The refusals that the gateway makes itself, and its responses while a service is down.

Row numbers are those of the tables in docs/security.md.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import suppress

import pytest

from servicekit import problems
from tests.servers.wharf.api_client import LARGE, SMALL, ApiClient
from tests.servers.wharf.instance import ROOT, Wharf, running
from tests.servers.wharf.multipart_body import file_part
from tests.servers.wharf.raw_http import RawAnswer, exchange, head, until
from tests.servers.wharf.tenants import Signer
from tests.servers.wharf.traces import nothing_stored

TEMPLATES = ROOT / "deploy" / "nginx" / "snippets"
CAP = 3_000_000


@pytest.fixture(scope="module")
def fragile() -> Iterator[Wharf]:
    """Start a Wharf with a host name and a size limit, whose services the tests stop and kill."""
    with running(
        WHARF_HOSTS="files.example",
        WHARF_MAX_BODY_BYTES=str(CAP),
        WHARF_SERVICE_PATIENCE_SECONDS="5",
    ) as found:
        yield found


@pytest.fixture
def client(fragile: Wharf) -> ApiClient:
    """Return a client of the fragile Wharf."""
    return Signer(fragile).client()


def send(wharf: Wharf, request: bytes) -> RawAnswer:
    """Return the only response to a raw request."""
    (answer,) = exchange(wharf.port, request)
    return answer


def get(target: str, *fields: str, host: str = "127.0.0.1") -> bytes:
    """Return the bytes of a GET with `Connection: close`."""
    lines = (f"GET {target} HTTP/1.1", f"Host: {host}", "Connection: close", *fields, "", "")
    return "\r\n".join(lines).encode()


REFUSALS = [
    pytest.param(get("/nowhere"), 404, "not-found", id="404"),
    pytest.param(get("/nowhere/../%2e%2e/x"), 400, "malformed-request", id="400 climbing"),
    pytest.param(get("/a%00b"), 400, "malformed-request", id="400 NUL"),
    pytest.param(get("/%zz"), 400, "malformed-request", id="400 escape"),
    pytest.param(b"GET\r\n\r\n", 400, "malformed-request", id="400 line"),
    pytest.param(b"nonsense \x00\x01\r\n\r\n", 400, "malformed-request", id="400 bytes"),
    pytest.param(b"GET / HTTP/3.0\r\n\r\n", 400, "malformed-request", id="400 version"),
    pytest.param(b"GET / HTTP/1.1\r\n\r\n", 400, "malformed-request", id="400 no host"),
    pytest.param(head("TRACE / HTTP/1.1", "Connection: close"), 405, "method-not-allowed",
                 id="405 TRACE"),
    pytest.param(get("/" + "x" * 40_000), 414, "uri-too-long", id="414"),
    pytest.param(get("/", f"X: {'x' * 40_000}"), 431, "headers-too-large", id="431"),
    pytest.param(get("/", *["X:"] * 1200), 431, "headers-too-large", id="431 many"),
    pytest.param(head("PUT /v1/files/default/x HTTP/1.1", "Connection: close"), 411,
                 "length-required", id="411"),
    pytest.param(head("PUT /v1/files/default/x HTTP/1.1", "Content-Length: 999999999999"), 413,
                 "too-large", id="413 declared"),
    pytest.param(head("PUT /v1/buckets/xyz HTTP/1.1", "Content-Length: 1000000"), 413, "too-large",
                 id="413 json"),
    pytest.param(head("PUT /v1/files/default/x HTTP/1.1", "Transfer-Encoding: gzip"), 501,
                 "not-implemented", id="501"),
]  # fmt: skip


@pytest.mark.parametrize("length", [0, 14])
@pytest.mark.parametrize(
    "target",
    ["/healthz", "/auth/healthz", "/console/login", "/v1/uploads/1", "/v1/files/default/", "/s/x"],
)
def test_services_take_as_many_fields_as_nginx(wharf: Wharf, target: str, length: int) -> None:
    """Every service accepts each request that nginx passes on; hundreds of fields cause no 5xx."""
    fields = [f"X-{number:03}: {'x' * length}" for number in range(950)]
    assert send(wharf, get(target, *fields)).status < 500


@pytest.mark.parametrize(("request_bytes", "status", "slug"), REFUSALS)
def test_refusals(wharf: Wharf, request_bytes: bytes, status: int, slug: str) -> None:
    """Each refusal of nginx is a problem document with a request id, safe fields and `no-store`."""
    answer = send(wharf, request_bytes)
    assert (answer.status, answer.slug) == (status, slug), answer.body
    assert answer.json()["status"] == status
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert b"nginx/" not in bytes(answer.headers) + answer.body


@pytest.mark.parametrize("line", ["TRACE / HTTP/1.1", "POST /problems/not-found HTTP/1.1"])
def test_a_refused_method_is_told_others(wharf: Wharf, line: str) -> None:
    """nginx's own 405 lists the allowed methods, without the method that it refuses."""
    answer = send(wharf, head(line, "Connection: close", "Content-Length: 0"))
    assert (answer.status, answer.slug) == (405, "method-not-allowed")
    allowed = answer.headers["Allow"].split(", ")
    assert {"GET", "HEAD"} <= set(allowed)
    assert line.partition(" ")[0] not in allowed


@pytest.fixture(scope="module")
def slow() -> Iterator[Wharf]:
    """Start a Wharf that allows an address twenty requests a second."""
    with running(
        WHARF_ADDRESS_REQUESTS_PER_SECOND="20", WHARF_ADDRESS_REQUESTS_BURST="20"
    ) as found:
        yield found


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET /metrics HTTP/1.1", 404),
        ("GET /s%2fx HTTP/1.1", 404),
        ("DELETE /s/none HTTP/1.1", 405),
        ("PUT /v1/files/default/x HTTP/1.1", 411),
        ("PUT /u/ticket HTTP/1.1", 411),
        ("GET /v1/usage HTTP/1.1", 401),
    ],
)
def test_a_flood_of_what_is_refused(slow: Wharf, line: str, status: int) -> None:
    """In a flood of refused requests every response is a problem document, the 429 included."""
    request = head(line, "Connection: close")
    answers: list[RawAnswer] = []

    def flooded() -> bool:
        answers.append(send(slow, request))
        return answers[-1].status != status

    assert until(flooded)
    assert all(answer.slug for answer in answers), answers[-1].body
    held = answers[-1]
    assert (held.status, held.slug) == (429, "quota-exceeded")
    assert held.headers["Retry-After"] == "1"
    assert held.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("host", ["other.example", "evil.files.example", "files.example.evil"])
def test_unknown_hosts(fragile: Wharf, host: str) -> None:
    """Row 15: an unknown host gets a 421, except for the pages that explain problems."""
    meaning = send(fragile, get("/problems/misdirected", host=host))
    assert (meaning.status, b"misdirected" in meaning.body) == (200, True)
    for target in ("/healthz", "/v1/files/default/x", "/auth/oauth/token"):
        assert send(fragile, get(target, host=host)).status == 421


@pytest.mark.parametrize(
    "request_bytes", [get("/", host="other.example"), get("/%zz"), get("/" + "x" * 40_000)]
)
def test_documents_where_hosts_are_configured(fragile: Wharf, request_bytes: bytes) -> None:
    """With configured hosts, even errors before nginx knows the host are problem documents."""
    answer = send(fragile, request_bytes)
    assert answer.slug in ("misdirected", "malformed-request", "uri-too-long")


@pytest.mark.parametrize("host", ["files.example", "FILES.example:8080", "localhost", "127.0.0.1"])
def test_known_hosts(fragile: Wharf, host: str) -> None:
    """The configured host and the loopback names are served, in upper or lower case,
    with any port.
    """
    assert send(fragile, get("/healthz", host=host)).status == 200


def test_a_chunked_body_over_the_cap(fragile: Wharf, client: ApiClient) -> None:
    """Row 7: nginx cuts a chunked body at the global size limit with a 413, and keeps no byte."""
    bearer = f"Authorization: Bearer {client.token}"
    request = head("PUT /v1/files/default/x HTTP/1.1", bearer, "Transfer-Encoding: chunked")
    chunks = (b"%x\r\n%b\r\n" % (100_000, b"x" * 100_000)) * (CAP // 100_000 + 2)
    with nothing_stored(fragile, client.tenant):
        answer = send(fragile, request + chunks)
    assert (answer.status, answer.slug) == (413, "too-large")


def test_a_dead_service(fragile: Wharf, client: ApiClient) -> None:
    """While upload is down requests get a 503 with Retry-After; a restart ends the outage."""
    client.stored("before", SMALL)
    with nothing_stored(fragile, client.tenant):
        # The test first stops the process manager, which
        # otherwise could restart upload before the requests.
        os.kill(fragile.process.pid, signal.SIGSTOP)
        try:
            for pid in fragile.processes("upload"):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            # The test removes the sockets that the process manager keeps. Otherwise the requests
            # would wait in these sockets for the next process.
            for name in ("upload.sock", "receiver.sock"):
                (fragile.data / "run" / name).unlink()
            answers = {
                "in memory": client.put("x", SMALL),
                "spooled": client.put("x", LARGE),
                "form": client.post(file_part("x")),
                "get": client.file("before"),
                "flask": client.get("/v1/usage"),
            }
        finally:
            os.kill(fragile.process.pid, signal.SIGCONT)
        for way, answer in answers.items():
            assert (way, answer.status, answer.slug) == (way, 503, "unavailable")
            assert int(answer.header("Retry-After")) >= 1
            assert answer.json()["retry_after"] >= 1
        assert until(lambda: client.get("/readyz").status == 200, 60)
    assert client.file("before").body == SMALL


def test_a_service_that_hangs(fragile: Wharf, client: ApiClient) -> None:
    """If the service does not answer the admission, a request gets a 503 before its
    body is read.
    """
    with nothing_stored(fragile, client.tenant), fragile.standing_still("upload"):
        bearer = f"Authorization: Bearer {client.token}"
        request = head("PUT /v1/files/default/x HTTP/1.1", bearer, "Content-Length: 2000000")
        answer = send(fragile, request)
    assert (answer.status, answer.slug) == (503, "unavailable")
    # `nothing_stored` above has checked that the request left no trace, even if upload admitted it
    # after the stop.
    assert until(lambda: client.get("/readyz").status == 200, 60)


def test_request_ids(fragile: Wharf, client: ApiClient) -> None:
    """Every service keeps a well-formed X-Request-Id of the client, and replaces any other."""
    good = "trace.0123-abc_DEF"
    targets = ("/v1/usage", "/v1/files/default/absent", "/nowhere", "/auth/v1/tenants", "/healthz")
    for target in targets:
        assert client.get(target, {"X-Request-Id": good}).header("X-Request-Id") == good
    for content in (SMALL, LARGE):
        for api in (client, client.using(None)):
            answer = api.put("id", content, {"X-Request-Id": good})
            assert answer.header("X-Request-Id") == good
    for bad in ("short", "x" * 129, "with blank in it", 'a"b{}<script>'):
        given = client.get("/v1/usage", {"X-Request-Id": bad}).header("X-Request-Id")
        assert re.fullmatch("[0-9a-f]{32}", given)


def test_documents_are_those_of_the_services() -> None:
    """Each refusal in nginx's configuration is a declared problem: slug, title and status match."""
    from wharf_upload.problems import UPLOAD

    declared = {**problems.COMMON.by_slug, **UPLOAD.by_slug}
    text = "".join(path.read_text() for path in sorted(TEMPLATES.glob("*.template")))
    shape = (
        r"set \$problem_slug ([a-z-]+);\s+set \$problem_status (\d+);\s+"
        r"set \$problem_title \"([^\"]+)\";\s+set \$problem_detail (.+);"
    )
    found = re.findall(shape, text)
    assert len(found) == len(re.findall("set .problem_slug", text)) > 15
    for slug, status, title, detail in found:
        assert (declared[slug].title, declared[slug].status) == (title, int(status))
        # nginx inserts the detail into JSON and HTML without escaping it.
        assert not re.search(r"[<>&\\]", detail.strip('"'))
        assert '"' not in detail.strip('"')


def test_every_refusal_of_nginx_has_a_document() -> None:
    """Each error page in nginx's configuration has a location, and no such location is
    left unused.
    """
    pages = (TEMPLATES / "error_pages.conf").read_text()
    text = (TEMPLATES / "problems.conf.template").read_text()
    named = re.findall(r"=\d+ (@problem_\w+|/_problem_\d+\.)(\$refusal_form)?;", pages + text)
    # The first of two locations asks which origin may read
    # the refusal. It then passes to the second location.
    named += re.findall(r'try_files "" (@refuse_)(\$refusal_form);', text)
    expected = {
        f"{name}{form}"
        for name, variable in named
        for form in (("document", "page") if variable and name[0] == "@" else ("",))
    }
    assert expected == set(re.findall(r"^location (\S+) \{", text, re.MULTILINE))


def test_an_error_page_has_its_status() -> None:
    """Each error page names the status that is sent, and its location has the same status."""
    text = "".join(path.read_text() for path in sorted(TEMPLATES.iterdir()))
    for line in re.findall(r"^\s*error_page .+;$", text, re.MULTILINE):
        found = re.fullmatch(r"\s*error_page [\d ]+ =(\d+) [@/]_?(\w+).*;", line)
        # These locations decide the status themselves.
        if re.search(
            r" = @(?:cors_unknown|console_static|blob_not_on_disk|plain_\$wharf_plain_way);", line
        ):
            continue
        assert found, line
        digits = re.search(r"\d+", found[2])
        assert digits is None or digits[0] == found[1], line
