"""Pages with the console's scripts, for tests of the scripts without the console.

A small server in front of Wharf serves the tests' pages with the console's policy, the built
assets, tickets as the console issues them, and an address for reports of the policy. It passes all
other requests on to Wharf, so pages and API have one origin.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from jinja2 import Environment, FileSystemLoader, StrictUndefined

ROOT = Path(__file__).parents[2]
_CONSOLE = ROOT / "services/console/src/wharf_console"
DIST = _CONSOLE / "static/dist"
BUILDER = ROOT / "services/console/tools/build_assets.py"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
CSRF = "token-of-this-session"
# The policy of the console's pages (`_POLICY` in
# services/console/src/wharf_console/web/headers.py).
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types wharf; report-uri /console/csp-reports"
)
_PAGE = """
{%- import "macros/upload_tray.html" as uploads with context -%}
<!doctype html>
<html lang="{{ lang }}"{% if theme %} data-theme="{{ theme }}"{% endif %}>
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>page</title><link rel="icon" href="/console/static/none.svg">
<link rel="stylesheet" href="/console/static/{{ assets["console.css"] }}">
{% if "console.js" in assets %}
<script type="module" src="/console/static/{{ assets["console.js"] }}"></script>
{% endif %}
</head>
<body data-word-close="Close">
<header><a class="brand" href="/console/">Wharf</a></header>
<main id="content" tabindex="-1"><h1>Files</h1>
BODY
</main></body></html>
"""
_HOP_BY_HOP = {"connection", "content-length", "keep-alive", "transfer-encoding"}
Answer = tuple[int, dict[str, Any]]


def built() -> dict[str, str]:
    """Build the assets if their sources have changed, and return the manifest of the assets."""
    subprocess.run([sys.executable, str(BUILDER), "--strict"], check=True)
    found: dict[str, str] = json.loads((DIST / "manifest.json").read_text())
    return found


class ConsolePages:
    """The pages of tests, and the requests for tickets and the reports that browsers sent."""

    def __init__(self, port: int, assets: dict[str, str]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.assets = assets
        self.pages: dict[str, bytes] = {}
        #: By path of a page: the policy that replaces `POLICY`.
        self.policies: dict[str, str] = {}
        self.reports: list[str] = []
        #: Whether requests to Wharf get a 503 instead of Wharf's response.
        self.down = False
        #: Forms and CSRF tokens of the requests for tickets.
        self.asked: list[tuple[dict[str, str], str]] = []
        self.ticket: Callable[[dict[str, str]], Answer] = lambda _: (503, {"title": "No tickets"})
        loader = FileSystemLoader(_CONSOLE / "templates")
        self._jinja = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
        self._jinja.globals["_"] = lambda text: text

    def page(self, body: str, path: str = "/console/page", **values: str) -> str:
        """Serve a template as the body of a page from now on and return the page's address."""
        known = {"assets": self.assets, "lang": "en", "theme": "", "csrf": CSRF, **values}
        html = self._jinja.from_string(_PAGE.replace("BODY", body)).render(known)
        self.pages[path] = html.encode()
        return self.url + path

    def give(self, form: dict[str, str], csrf: str) -> Answer:
        """Record a request for a ticket and return the response to it."""
        self.asked.append((form, csrf))
        return self.ticket(form)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    pages: ConsolePages
    wharf_port: int

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a browser that disconnects, because some tests disconnect on purpose."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _serve(self) -> None:
        pages = self.server.pages
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionResetError("the browser has hung up")
        path = self.path.partition("?")[0]
        if path in pages.pages:
            policy = pages.policies.get(path, POLICY)
            fields = {"Content-Security-Policy": policy, "Cache-Control": "no-store"}
            self._send(200, "text/html; charset=utf-8", pages.pages[path], fields)
        elif path.startswith("/console/static/"):
            file = DIST / Path(path).name
            found = file.read_bytes() if file.is_file() else b""
            self._send(200 if found else 404, _TYPES.get(file.suffix, "text/plain"), found)
        elif path == "/console/tickets":
            form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
            status, answer = pages.give(form, self.headers.get("X-CSRFToken", ""))
            self._send(status, "application/json", json.dumps(answer).encode())
        elif path == "/console/csp-reports":
            pages.reports.append(body.decode())
            self._send(204, "text/plain", b"")
        elif pages.down:
            self._send(503, "application/problem+json", b'{"title": "Unavailable"}')
        else:
            self._pass_on(body)

    do_GET = do_HEAD = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815 -- names of http.server

    def _pass_on(self, body: bytes) -> None:
        fields = {k: v for k, v in self.headers.items() if k.lower() != "connection"}
        wharf = http.client.HTTPConnection("127.0.0.1", self.server.wharf_port, timeout=60)
        with closing(wharf) as connection:
            connection.request(self.command, self.path, body or None, fields)
            answer = connection.getresponse()
            content = answer.read()
        kept = {k: v for k, v in answer.getheaders() if k.lower() not in _HOP_BY_HOP}
        self._send(answer.status, kept.pop("Content-Type", "text/plain"), content, kept)

    def _send(
        self, status: int, kind: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def serving_console(wharf_port: int) -> Iterator[ConsolePages]:
    """Yield the pages in front of Wharf, on a free port."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.pages = ConsolePages(server.server_port, built())
        server.wharf_port = wharf_port
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server.pages
        finally:
            server.shutdown()
            thread.join()
