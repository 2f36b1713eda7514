"""A console for tests: its application before a gateway that answers what a test says."""

from __future__ import annotations

import json
import re
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2.bccache import Bucket, BytecodeCache
from werkzeug.test import TestResponse

from wharf_console import bootstrap
from wharf_console.app import create_app
from wharf_console.context import AppContext
from wharf_console.settings import Settings

NOW = 1_795_000_000.0
ROLES = {
    "viewer": "files:read",
    "editor": "files:read files:write files:delete",
    "owner": "files:read files:write files:delete buckets:admin events:read members:admin",
}
LOGIN = {"tenant": "acme", "username": "ann", "password": "correct horse"}


@dataclass(frozen=True)
class Call:
    """A request that the gateway got."""

    proxy_line: str
    method: str
    path: str
    query: dict[str, list[str]]
    fields: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, list[str]]:
        """The body as a form."""
        return parse_qs(self.body.decode())


@dataclass
class Reply:
    """What the gateway answers."""

    content: object = None
    status: int = 200
    fields: dict[str, str] = field(default_factory=dict)


Answer = Reply | Callable[[Call], Reply]


def problem(status: int, slug: str, detail: str = "", **members: object) -> Reply:
    """A problem document of the API."""
    document = {
        "type": f"/problems/{slug}",
        "title": slug.replace("-", " ").capitalize(),
        "status": status,
        "detail": detail,
        "request_id": "request-of-the-api",
        **members,
    }
    retry = members.get("retry_after")
    return Reply(document, status, {"Retry-After": str(retry)} if retry else {})


class FakeGateway:
    """Answers over a unix socket behind the line of the PROXY protocol, as the console door does.

    `on("GET", "/v1/buckets", Reply(...))` says what is answered; what is not said is a 404. A path
    may be a pattern (`/v1/files/docs/.*`); what was said last counts.
    """

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.calls: list[Call] = []
        self._answers: list[tuple[str, re.Pattern[str], Answer]] = []
        self._server = _Server(self.path, self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def on(self, method: str, pattern: str, answer: Answer) -> None:
        """Say what is answered."""
        self._answers.insert(0, (method, re.compile(pattern), answer))

    def called(self, method: str, path: str) -> list[Call]:
        """The requests with this method and path."""
        return [one for one in self.calls if (one.method, one.path) == (method, path)]

    def reply_to(self, call: Call) -> Reply:
        """What is answered to a request."""
        self.calls.append(call)
        for method, pattern, answer in self._answers:
            if method == call.method and pattern.fullmatch(call.path):
                return answer if isinstance(answer, Reply) else answer(call)
        return problem(404, "not-found", "Nothing is here.")

    def close(self) -> None:
        """Answer no more; connections are refused."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        Path(self.path).unlink(missing_ok=True)


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, path: str, gateway: FakeGateway) -> None:
        self.gateway = gateway
        super().__init__(path, _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    request: socket.socket

    def setup(self) -> None:
        """Take the line of the PROXY protocol first."""
        self.client_address = ("browser", 0)
        super().setup()
        self.proxy_line = self.rfile.readline().decode().rstrip("\r\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's
        """Say nothing."""

    def _answer(self) -> None:
        address = urlsplit(self.path)
        call = Call(
            self.proxy_line,
            self.command,
            address.path,
            parse_qs(address.query),
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(int(self.headers.get("Content-Length", 0))),
        )
        reply = self.server.gateway.reply_to(call)
        body = b"" if reply.content is None else json.dumps(reply.content).encode()
        self.send_response(reply.status)
        for name, value in {**reply.fields, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 -- the base class has it so


class Clock:
    """Unix seconds that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class Console:
    """The application, what it works with, and the gateway behind it."""

    app: Flask
    context: AppContext
    gateway: FakeGateway
    clock: Clock

    def visitor(self, base_url: str = "http://localhost") -> Browser:
        """A browser in which nobody is logged in."""
        return Browser(self.app.test_client(), base_url)

    def person(
        self, role: str = "owner", base_url: str = "http://localhost", **fields: str
    ) -> Browser:
        """A browser in which somebody of the role is logged in; `fields` are of `/auth/me`."""
        grant(self.gateway, role, **fields)
        browser = self.visitor(base_url)
        reply = browser.post("/console/login", LOGIN)
        assert reply.status_code == 303, reply.text
        return browser


class Browser:
    """A browser: it keeps cookies, and sends the tokens of forms."""

    def __init__(self, client: FlaskClient, base_url: str) -> None:
        self.client, self._base_url = client, base_url

    def get(self, path: str, **options: Any) -> TestResponse:
        """Ask for a page."""
        return self.client.get(path, **{"base_url": self._base_url, **options})

    def post(self, path: str, form: dict[str, Any] | None = None, **options: Any) -> TestResponse:
        """Send a form as a page of this session would."""
        data = {"csrf_token": self.token(), **(form or {})}
        return self.client.post(path, data=data, **{"base_url": self._base_url, **options})

    def token(self) -> str:
        """The token that forms of this session have."""
        page = self.get("/console/login", follow_redirects=True).text
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
        assert found, page
        return found[1]

    def cookie(self) -> str:
        """The value of the session's cookie; empty where there is none."""
        kept = self.client.get_cookie("wharf_console")
        return kept.value if kept else ""


def grant(gateway: FakeGateway, role: str = "owner", **fields: str) -> None:
    """Have the gateway let a person of the role log in, and refresh."""
    count = iter(range(1, 1000))

    def tokens() -> Reply:
        number = next(count)
        return Reply(
            {
                "access_token": f"access-{number}",
                "refresh_token": f"refresh-{number}",
                "token_type": "Bearer",
                "expires_in": 900,
                "scope": ROLES[role],
            }
        )

    gateway.on("POST", "/auth/login", lambda _: tokens())
    gateway.on("POST", "/auth/oauth/token", lambda _: tokens())
    gateway.on("POST", "/auth/logout", Reply(status=204))
    gateway.on("GET", "/auth/me", Reply(me(role) | fields))


def me(role: str = "owner") -> dict[str, Any]:
    """What auth says of a person."""
    return {
        "user_id": "user-1",
        "tenant": "acme",
        "username": "ann",
        "display_name": "Ann Example",
        "role": role,
        "scopes": ROLES[role].split(),
        "session": session_document(),
    }


def session_document(**fields: Any) -> dict[str, Any]:
    """A session at auth."""
    return {
        "session_id": "session-1",
        "created_at": "2026-11-18T10:00:00.000Z",
        "used_at": "2026-11-18T10:00:00.000Z",
        "expires_at": "2026-12-18T10:00:00.000Z",
        "address": "127.0.0.1",
        "user_agent": "Test",
        "current": True,
        **fields,
    }


def bucket_document(name: str = "docs", **fields: Any) -> dict[str, Any]:
    """A bucket of the API."""
    return {
        "name": name,
        "public": False,
        "max_file_bytes": None,
        "allowed_types": [],
        "allowed_extensions": [],
        "expire_after_seconds": None,
        "cors_origins": [],
        "created_at": "2026-11-01T08:00:00Z",
        **fields,
    }


def file_document(key: str = "a.txt", **fields: Any) -> dict[str, Any]:
    """A file of the API."""
    return {
        "id": "0193",
        "bucket": "docs",
        "key": key,
        "filename": key.rpartition("/")[2],
        "size": 1234,
        "sha256": "0" * 64,
        "media_type": "text/plain",
        "declared_type": None,
        "etag": '"1"',
        "state": "available",
        "metadata": {},
        "created_at": "2026-11-18T10:00:00Z",
        "expires_at": None,
        "links": {"content": f"/v1/files/docs/{key}", "metadata": f"/v1/metadata/docs/{key}"},
        **fields,
    }


def serve_documents(gateway: FakeGateway) -> None:
    """Have the gateway answer as one with a bucket `docs` and nothing in it."""
    usage = {"bytes": 0, "files": 0, "allowed": {"max_bytes": 1_000_000, "max_files": None}}
    gateway.on("GET", "/v1/buckets", Reply({"buckets": [bucket_document()]}))
    gateway.on("GET", "/v1/buckets/docs", Reply(bucket_document()))
    gateway.on("GET", "/v1/usage", Reply(usage))
    gateway.on("GET", "/v1/files/docs", Reply({"files": [], "prefixes": [], "next_cursor": None}))
    gateway.on("GET", "/v1/events", Reply({"events": [], "next_after": 0}))
    gateway.on("GET", "/v1/uploads", Reply({"uploads": [], "next_cursor": None}))


def serve_file(gateway: FakeGateway, key: str = "a.txt", **fields: Any) -> dict[str, Any]:
    """Have the gateway answer as one with this file in `docs`, alone; return the file."""
    file = file_document(key, **fields)
    path = re.escape(quote(key, safe="/"))
    link = {"url": f"/s/link-to-{len(key)}", "expires_at": "2026-11-19T10:00:00Z"}
    listing = {"files": [file], "prefixes": [], "next_cursor": None}
    gateway.on("GET", f"/v1/metadata/docs/{path}", Reply(file))
    gateway.on("GET", "/v1/files/docs", Reply(listing))
    gateway.on("POST", "/v1/links", Reply(link, 201))
    return file


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[FakeGateway]:
    """A gateway with an empty bucket."""
    made = FakeGateway(tmp_path / "door.sock")
    serve_documents(made)
    yield made
    made.close()


@pytest.fixture
def console(tmp_path: Path, gateway: FakeGateway) -> Console:
    """A console with sessions in files."""
    return console_on(Settings(data=tmp_path / "data", console_door=gateway.path), gateway)


class _CompiledTemplates(BytecodeCache):
    """Templates that an application of this process has compiled: each test makes one anew."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Give a template, where there is one of this key."""
        if bucket.key in self._kept:
            bucket.bytecode_from_string(self._kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep a template."""
        self._kept[bucket.key] = bucket.bytecode_to_string()


_compiled_templates = _CompiledTemplates()


def console_on(settings: Settings, gateway: FakeGateway) -> Console:
    """A console with these settings."""
    clock = Clock()
    context = bootstrap.app_context(settings, clock=clock)
    app = create_app(context)
    app.jinja_env.bytecode_cache = _compiled_templates
    return Console(app, context, gateway, clock)
