"""TLS on the public port, tested with OpenSSL and curl (ADR 67)."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.tls.conftest import UPLOADS, WINDOW_SECONDS, Secured, parsed
from tests.servers.certificates import Certificate
from tests.servers.daemons import program
from tests.servers.http2 import DATA, END_STREAM, PING, Http2Connection
from tests.servers.wharf.raw_http import exchange, head, until

HSTS = "strict-transport-security"
YEAR = "max-age=31536000"
VERSIONS = pytest.mark.parametrize("version", ["--http1.1", "--http2"])


def _handshake(secured: Secured, *words: str) -> str:
    """Return OpenSSL's description of a connection."""
    return subprocess.run(
        [
            *(program("openssl"), "s_client", "-connect", f"127.0.0.1:{secured.wharf.port}"),
            *("-servername", "localhost", "-CAfile", str(secured.certificate.authority), *words),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=60,
        check=False,
    ).stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-tls1_3", "-alpn", "h2"), "ALPN protocol: h2"),
        (("-tls1_3", "-alpn", "http/1.1"), "ALPN protocol: http/1.1"),
        (("-tls1_3",), "Verify return code: 0 (ok)"),
        (("-tls1_2",), "Cipher is ECDHE-ECDSA-AES"),
        (("-tls1_2",), "No ALPN negotiated"),
    ],
)
def test_what_is_spoken(secured: Secured, words: tuple[str, ...], said: str) -> None:
    """The gateway supports TLS 1.2 and 1.3 with forward secrecy, and both HTTP/2 and HTTP/1.1.

    The certificate chain is valid.
    """
    assert said in _handshake(secured, *words)


@pytest.mark.parametrize(
    "words",
    [
        ("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"),
        ("-tls1", "-cipher", "ALL:@SECLEVEL=0"),
        ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"),
        ("-tls1_2", "-cipher", "aNULL:eNULL:@SECLEVEL=0"),
    ],
)
def test_what_is_not_spoken(secured: Secured, words: tuple[str, ...]) -> None:
    """The gateway refuses older TLS versions, ciphers without authentication and CBC ciphers."""
    assert "Cipher is (NONE)" in _handshake(secured, *words)


def test_sessions_go_on_from_the_gateways_memory(secured: Secured, tmp_path: Path) -> None:
    """A client can resume a session from the gateway's memory; the gateway issues no tickets."""
    kept = str(tmp_path / "session")
    first = _handshake(secured, "-tls1_2", "-sess_out", kept)
    assert "TLS session ticket" not in first
    assert "Reused, TLSv1.2" in _handshake(secured, "-tls1_2", "-sess_in", kept)


@VERSIONS
def test_everything_says_that_browsers_shall_come_so_again(secured: Secured, version: str) -> None:
    """Files, ranges, refusals, pages and probes have HSTS, whether a service or nginx responds."""
    key = f"/v1/files/default/hsts{version}"
    put = secured.curl(version, *secured.bearer, "-T", "README.md", url=key)
    assert (put.status, put.version) == (201, version.removeprefix("--http"))
    asked: dict[str, tuple[int, tuple[str, ...]]] = {
        key: (200, secured.bearer),
        f"{key}?": (206, (*secured.bearer, "-r", "1-5")),
        f"{key}?x": (416, (*secured.bearer, "-r", "99999999-")),
        "/v1/files/default/none": (404, secured.bearer),
        "/v1/usage": (401, ()),
        "/s/nothing": (404, ()),
        "/console/login": (200, ()),
        "/problems/conflict": (200, ()),
        "/%00": (400, ()),
        "/healthz": (200, ()),
        "/v1/buckets": (421, ("-H", "Host: elsewhere.example")),
    }
    for path, (status, words) in asked.items():
        answer = secured.curl(version, *words, url=path)
        assert (answer.status, answer.fields.get(HSTS)) == (status, YEAR), path


@VERSIONS
@pytest.mark.parametrize("length", [True, False])
def test_a_refusal_comes_before_the_body(
    secured: Secured, version: str, tmp_path: Path, *, length: bool
) -> None:
    """A client without a token gets its refusal before the client has sent much of its body."""
    body = tmp_path / "body"
    with body.open("wb") as file:
        file.truncate(50_000_000)
    words = ("-T", str(body) if length else "-")
    with body.open("rb") as file:
        process = secured.start(
            version, *words, url="/v1/files/default/refused", stdin=file.fileno()
        )
        answer = parsed(process)
    assert answer.status == 401
    assert json.loads(answer.body)["type"] == "/problems/token-missing"
    assert answer.sent < 5_000_000


def test_a_body_without_a_length_is_cut_where_its_bucket_says(secured: Secured) -> None:
    """By HTTP/2 a body without a length over its bucket's limit is cut.

    A body below the limit is stored.
    """
    json_words = ("-H", "Content-Type: application/json", "-X", "PUT")
    made = secured.curl(
        *(*secured.bearer, *json_words, "-d", '{"max_file_bytes": 200000}'),
        url="/v1/buckets/small",
    )
    assert made.status in {200, 201}
    cut = secured.curl(
        *("--http2", *secured.bearer, "-T", "-"),
        url="/v1/files/small/cut",
        data=bytes(2_000_000),
    )
    assert (cut.status, cut.version) == (413, "2")
    whole = secured.curl(
        *("--http2", *secured.bearer, "-T", "-"), url="/v1/files/small/whole", data=bytes(150_000)
    )
    assert whole.status == 201


TUS = ("-H", "Tus-Resumable: 1.0.0")
BYTES = ("-H", "Content-Type: application/offset+octet-stream", "-T", "-")


def _upload(secured: Secured, length: int) -> str:
    """Begin a resumable upload by a request with neither body nor length, and return its path."""
    made = secured.curl(
        *("--http2", "-X", "POST", *secured.bearer, *TUS, "-H", f"Upload-Length: {length}"),
        *("-H", "Upload-Metadata: bucket ZGVmYXVsdA==,key dHVz"),
        url="/v1/uploads",
    )
    assert (made.status, made.version) == (201, "2"), made.body
    return urlsplit(made.fields["location"]).path


def test_a_part_stays_where_a_connection_breaks(secured: Secured) -> None:
    """By HTTP/2 a part is stored while it arrives, and remains after its connection breaks."""
    path = _upload(secured, 300_000)
    begun = secured.start(
        *("--http2", "-X", "PATCH", *secured.bearer, *TUS, "-H", "Upload-Offset: 0"),
        *("-H", "Content-Length: 300000", *BYTES),
        url=path,
        stdin=subprocess.PIPE,
    )
    assert begun.stdin is not None
    begun.stdin.write(bytes(200_000))
    begun.stdin.flush()

    def offset() -> int:
        asked = secured.curl("-I", *secured.bearer, *TUS, url=path)
        return int(asked.fields["upload-offset"])

    assert until(lambda: offset() > 100_000)
    begun.kill()
    begun.communicate()
    assert 100_000 < offset() <= 200_000


def test_a_part_without_a_length(secured: Secured) -> None:
    """By HTTP/2 a resumable upload's body may have no length; without a token it is refused."""
    path = _upload(secured, 300_000)
    for begin, part in ((0, 250_000), (250_000, 50_000)):
        sent = secured.curl(
            *("--http2", "-X", "PATCH", *secured.bearer, *TUS, *BYTES),
            *("-H", f"Upload-Offset: {begin}"),
            url=path,
            data=bytes(part),
        )
        assert (sent.status, sent.version) == (204, "2"), sent.body
        assert sent.fields["upload-offset"] == str(begin + part)
    refused = secured.curl(
        *("--http2", "-X", "PATCH", *TUS, *BYTES, "-H", "Upload-Offset: 0"),
        url=path,
        data=bytes(1_000_000),
    )
    assert refused.status == 401


@pytest.mark.parametrize("pings", [False, True])
def test_a_slow_body_is_cut_whatever_else_is_said(secured: Secured, *, pings: bool) -> None:
    """A body below the minimum rate is cut, even if the client also sends PINGs."""
    fields = {"Authorization": f"Bearer {secured.token}", "Content-Length": "1000000"}
    with Http2Connection(secured.wharf.port, secured.certificate.authority) as connection:
        connection.request(1, "PUT", "/v1/files/default/slow", fields)

        def is_cut() -> bool:
            try:
                connection.frame(DATA, stream=1, payload=b"x")
                if pings:
                    connection.frame(PING, payload=b"12345678")
            except OSError:
                return True
            return not connection.is_open_for(0.1)

        begin = time.monotonic()
        assert until(is_cut, pause=0.3)
        # The body was not cut by nginx's own limit for pauses, which is shorter.
        assert time.monotonic() - begin >= WINDOW_SECONDS


def test_streams_count_as_connections(secured: Secured) -> None:
    """Bodies on one HTTP/2 connection count separately: each body above the limit gets a 429."""
    fields = {"Authorization": f"Bearer {secured.token}", "Content-Length": "1000000"}
    with Http2Connection(secured.wharf.port, secured.certificate.authority) as connection:
        for number in range(UPLOADS + 3):
            connection.request(1 + 2 * number, "PUT", f"/v1/files/default/many{number}", fields)

        def refused() -> int:
            lines = secured.wharf.log_lines("access")
            return sum(one["status"] == 429 for one in lines if "/many" in one["path"])

        assert until(lambda: refused() == 3), secured.wharf.log("access")[-2000:]


def test_a_browser_that_begins_without_tls_is_sent_on(secured: Secured) -> None:
    """The TLS port and the port for redirects send a browser without TLS to the TLS address."""
    tls = secured.wharf.port
    for port in (tls, secured.redirect_port):
        answer = secured.curl(url=f"http://localhost:{port}/console/?a=b")
        assert answer.status == 308
        assert answer.fields["location"] == f"https://localhost:{tls}/console/?a=b"
        assert HSTS not in answer.fields


@pytest.mark.parametrize(
    "request_head",
    [
        head("GET /v1/usage HTTP/1.1", "Authorization: Bearer secret"),
        head("POST /auth/login HTTP/1.1", "Content-Length: 10", "Expect: 100-continue"),
        head("DELETE /v1/files/default/x HTTP/1.1"),
        head("GET /u/ticket/uploads/0123 HTTP/1.1"),
    ],
)
def test_what_may_have_leaked_is_refused(secured: Secured, request_head: bytes) -> None:
    """Without TLS a POST, a DELETE, and a GET with a token or ticket get a 400 before any body."""
    for port in (secured.wharf.port, secured.redirect_port):
        [answer] = exchange(port, request_head)
        assert (answer.status, answer.slug) == (400, "https-required")
        assert answer.headers["Connection"] == "close"


def test_probes_need_no_certificate(secured: Secured) -> None:
    """Probes get health and readiness without TLS; other public addresses redirect."""
    for path in ("/healthz", "/readyz"):
        assert secured.curl(url=f"http://localhost:{secured.wharf.port}{path}").status == 200
    for path in ("/metrics", "/.well-known/jwks.json", "/healthz/x", "/openapi.json"):
        assert secured.curl(url=f"http://localhost:{secured.wharf.port}{path}").status == 308


def test_nobody_is_sent_to_another_host(secured: Secured) -> None:
    """A redirect uses the host of the request's whole URL instead of a different `Host` field."""
    url = b"GET http://files.localhost/a HTTP/1.1\r\nHost: evil.example:1\r\n\r\n"
    for port in (secured.wharf.port, secured.redirect_port):
        [answer] = exchange(port, url)
        assert answer.status == 308
        assert answer.headers["Location"] == f"https://files.localhost:{secured.wharf.port}/a"


def test_other_hosts_are_refused_without_tls_too(secured: Secured) -> None:
    """A request without TLS for an unknown host is refused and not redirected."""
    for port in (secured.wharf.port, secured.redirect_port):
        [answer] = exchange(port, b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        assert answer.status == 421
        assert answer.headers["Location"] is None


@VERSIONS
def test_a_large_body_for_another_host(secured: Secured, version: str, tmp_path: Path) -> None:
    """A large body for an unknown host gets a 421 with HSTS."""
    (tmp_path / "body").write_bytes(bytes(2_000_000))
    host, body = ("-H", "Host: elsewhere.example"), ("-T", str(tmp_path / "body"))
    answer = secured.curl(version, *host, *body, url="/v1/files/default/large")
    assert (answer.status, answer.fields.get(HSTS)) == (421, YEAR)


def test_a_renewed_certificate_cuts_nothing(secured: Secured, tmp_path: Path) -> None:
    """New connections get a renewed certificate within seconds; running uploads are not cut."""
    before = _serial(secured)
    uploads = [
        secured.start(
            *(version, *secured.bearer, "-T", "-"),
            url=f"/v1/files/default/renewed{version}",
            stdin=subprocess.PIPE,
        )
        for version in ("--http1.1", "--http2")
    ]
    for one in uploads:
        assert one.stdin is not None
        one.stdin.write(bytes(200_000))
        one.stdin.flush()
    stop = threading.Event()
    feeders = [threading.Thread(target=_feed, args=(one, stop)) for one in uploads]
    for feeder in feeders:
        feeder.start()
    (tmp_path / "new").mkdir()
    renewed = Certificate(tmp_path / "new")
    for new, old in (
        (renewed.authority, secured.certificate.authority),
        (renewed.key, secured.certificate.key),
        (renewed.chain, secured.certificate.chain),
    ):
        shutil.move(new, old)
    # An old worker of nginx may accept some more connections with the old certificate. The next
    # tests trust only the new certificate.
    assert until(lambda: all(_serial(secured) != before for _ in range(16)))
    stop.set()
    for feeder in feeders:
        feeder.join()
    assert [parsed(one).status for one in uploads] == [201, 201]


def _feed(process: subprocess.Popen[bytes], stop: threading.Event) -> None:
    assert process.stdin is not None
    while not stop.wait(0.2):
        process.stdin.write(bytes(10_000))
        process.stdin.flush()
    process.stdin.close()
    process.stdin = None


def _serial(secured: Secured) -> str:
    shown = _handshake(secured)
    return shown[shown.index("-----BEGIN") : shown.index("-----END")]


def test_live_events_come_by_tls(secured: Secured) -> None:
    """A stream of events begins with status 200 over HTTP/1.1 and HTTP/2."""
    for version in ("--http1.1", "--http2"):
        process = secured.start(
            *(version, "-N", *secured.bearer, "-H", "Accept: text/event-stream"),
            url="/v1/events",
            stdin=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        assert b" 200" in process.stdout.readline()
        process.kill()
        process.communicate()


def test_no_websocket_on_a_stream(secured: Secured) -> None:
    """nginx refuses a WebSocket upgrade by HTTP/2, which has no Upgrade field."""
    fields = {"Upgrade": "websocket", "Sec-WebSocket-Version": "13", "X-Request-Id": "no-upgrade"}
    fields |= {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    with Http2Connection(secured.wharf.port, secured.certificate.authority) as connection:
        connection.request(1, "GET", "/socket.io/?EIO=4&transport=websocket", fields)
        connection.frame(DATA, END_STREAM, stream=1)

        def answers() -> list[int]:
            lines = secured.wharf.log_lines("access")
            return [one["status"] for one in lines if one["request_id"] == "no-upgrade"]

        assert until(lambda: answers() == [400]), answers()


def test_metrics_say_when_the_certificate_ends(secured: Secured) -> None:
    """The metrics state when the certificate ends, and that no new certificate was refused."""
    with socket.create_connection(("127.0.0.1", secured.wharf.metrics_port), 30) as connection:
        connection.sendall(b"GET /metrics/gateway HTTP/1.0\r\n\r\n")
        text = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("wharf_tls"))
    left = float(values["wharf_tls_certificate_expires_timestamp_seconds"]) - time.time()
    assert 86_400 < left < 3 * 86_400
    assert values["wharf_tls_certificate_refused"] == "0"
