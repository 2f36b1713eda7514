"""Security header fields of every response, and reports of violated policies."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from tests.servers.console import Console, console_on
from tests.servers.fake_gateway import FakeGateway, Reply
from wharf_console.settings import Settings

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types wharf; report-uri /console/csp-reports"
)


@pytest.mark.parametrize(
    "path", ["/console/", "/console/login", "/console/b/nothing/", "/console/x"]
)
def test_every_answer_has_the_headers(console: Console, path: str) -> None:
    """Pages, redirects and errors have the same header fields for security."""
    for browser in (console.person(), console.visitor()):
        headers = browser.get(path).headers
        assert headers["Content-Security-Policy"] == POLICY
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cache-Control"] == "no-store"
        assert "Cookie" in headers["Vary"]


@pytest.mark.parametrize("status", [400, 403, 405, 413, 422, 500, 503])
def test_pages_of_errors_have_them_too(console: Console, status: int) -> None:
    """Error pages have the header fields for security, wherever the error happens."""
    browser = console.person()
    token = browser.client.get("/console/").text.partition('name="csrf_token" value="')[2][:200]
    own = {"csrf_token": token.partition('"')[0]}
    post = browser.client.post
    console.gateway.on("GET", "/v1/usage", Reply("no usage"))
    replies: dict[int, Callable[[], TestResponse]] = {
        400: lambda: post("/console/logout"),
        403: lambda: post("/console/logout", data=own, headers={"Sec-Fetch-Site": "same-site"}),
        405: lambda: browser.get("/console/logout"),
        413: lambda: post("/console/logout", data=b"x" * 2_000_000),
        422: lambda: post("/console/tickets", data=own),
        500: lambda: browser.get("/console/"),
        503: lambda: browser.get("/console/"),
    }
    if status == 503:
        console.gateway.close()
    reply = replies[status]()
    assert reply.status_code == status
    assert reply.headers["Content-Security-Policy"] == POLICY
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["X-Frame-Options"] == "DENY"
    assert reply.headers["Cache-Control"] == "no-store"


def test_pictures_may_come_from_the_origin_of_contents(
    tmp_path: Path, gateway: FakeGateway
) -> None:
    """The pages' policy allows pictures from a separate content origin."""
    origin = "https://content.example"
    settings = Settings(data=tmp_path / "data", console_door=gateway.path, content_origin=origin)
    reply = console_on(settings, gateway).visitor().get("/console/login")
    assert f"img-src 'self' blob: {origin};" in reply.headers["Content-Security-Policy"]


def test_no_page_has_a_script_or_a_style_in_it(console: Console) -> None:
    """No page has an inline script, style or handler, which the policy would refuse."""
    browser = console.person()
    for path in ("/console/", "/console/b/docs/", "/console/login", "/console/b/x/"):
        page = browser.get(path, follow_redirects=True).text
        assert "<style" not in page
        assert " style=" not in page
        assert " onclick=" not in page
        assert "javascript:" not in page


def test_the_icon_may_be_kept(console: Console) -> None:
    """Caches may keep the icon, because it contains no data and starts no session."""
    reply = console.visitor().get("/console/icon.svg")
    assert reply.content_type == "image/svg+xml"
    assert reply.headers["Cache-Control"] == "public, max-age=86400"
    assert "Set-Cookie" not in reply.headers


def test_a_report_is_a_line_of_the_log(console: Console, caplog: pytest.LogCaptureFixture) -> None:
    """A report becomes one log line with page, directive and blocked address, without queries."""
    report = {
        "csp-report": {
            "document-uri": "http://localhost/console/b/docs/?prefix=secret",
            "blocked-uri": "https://evil.example/x.js?token=secret",
            "effective-directive": "script-src-elem",
            "original-policy": "long",
        }
    }
    with caplog.at_level(logging.WARNING):
        reply = console.visitor().client.post(
            "/console/csp-reports",
            data=json.dumps(report),
            content_type="application/csp-report",
        )
    assert reply.status_code == 204
    [line] = [one for one in caplog.records if one.name == "wharf_console.csp_reports"]
    assert line.__dict__["fields"] == {
        "page": "http://localhost/console/b/docs/",
        "blocked": "https://evil.example/x.js",
        "directive": "script-src-elem",
    }


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"csp-report": 1}', b"\xff"])
def test_a_report_of_nonsense_does_no_harm(console: Console, body: bytes) -> None:
    """A malformed report gets 204."""
    assert console.visitor().client.post("/console/csp-reports", data=body).status_code == 204


def test_a_report_is_short(console: Console) -> None:
    """A report that is too long is refused with 413."""
    reply = console.visitor().client.post("/console/csp-reports", data=b"x" * 20_000)
    assert reply.status_code == 413
