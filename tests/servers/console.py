"""A console for tests: its application in front of a gateway with responses that a test sets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer
from jinja2.bccache import Bucket, BytecodeCache
from werkzeug.test import TestResponse

from tests.servers.console_documents import (
    LOGIN,
    NOW,
    grant,
    serve_documents,
)
from tests.servers.fake_gateway import FakeGateway
from wharf_console import bootstrap
from wharf_console.app import create_app
from wharf_console.context import AppContext
from wharf_console.settings import Settings


class Clock:
    """A clock in Unix seconds that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class Console:
    """The application, its context, and the gateway behind it."""

    app: Flask
    context: AppContext
    gateway: FakeGateway
    clock: Clock

    def visitor(self, base_url: str = "http://localhost") -> Browser:
        """Return a browser in which no person is logged in."""
        return Browser(self.app.test_client(), base_url, self.context.stores.secret)

    def person(
        self, role: str = "owner", base_url: str = "http://localhost", **fields: str
    ) -> Browser:
        """Return a browser in which a person with this role is logged in.

        `fields` replace fields of `/auth/me`.
        """
        grant(self.gateway, role, **fields)
        browser = self.visitor(base_url)
        reply = browser.post("/console/login", LOGIN)
        assert reply.status_code == 303, reply.text
        return browser


class Browser:
    """A browser that keeps cookies and sends the tokens of forms."""

    def __init__(self, client: FlaskClient, base_url: str, secret: Callable[[], bytes]) -> None:
        self.client, self._base_url = client, base_url
        self._secret = secret

    def get(self, path: str, **options: Any) -> TestResponse:
        """Request a page."""
        return self.client.get(path, **{"base_url": self._base_url, **options})

    def post(self, path: str, form: dict[str, Any] | None = None, **options: Any) -> TestResponse:
        """Send a form with a CSRF token, as a page of this session does."""
        data = {"csrf_token": self._token(), **(form or {})}
        return self.client.post(path, data=data, **{"base_url": self._base_url, **options})

    def token(self) -> str:
        """Return the CSRF token of this session's forms, read from a page."""
        page = self.get("/console/login", follow_redirects=True).text
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
        assert found, page
        return found[1]

    def _token(self) -> str:
        """Return the token that a page of this session would have, without rendering a page."""
        with self.client.session_transaction(base_url=self._base_url) as session:
            if "csrf_token" not in session:
                session["csrf_token"] = token_hex(20)
            kept = session["csrf_token"]
        return str(URLSafeTimedSerializer(self._secret(), salt="wtf-csrf-token").dumps(kept))

    def cookie(self) -> str:
        """Return the value of the session's cookie, or an empty text without a cookie."""
        kept = self.client.get_cookie("wharf_console")
        return kept.value if kept else ""


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[FakeGateway]:
    """Yield a gateway with an empty bucket."""
    made = FakeGateway(tmp_path / "door.sock")
    serve_documents(made)
    yield made
    made.close()


@pytest.fixture
def console(tmp_path: Path, gateway: FakeGateway) -> Console:
    """Return a console with sessions in files."""
    return console_on(Settings(data=tmp_path / "data", console_door=gateway.path), gateway)


class _CompiledTemplates(BytecodeCache):
    """The compiled templates, which all applications of this process share."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Load a template if it was compiled before."""
        if bucket.key in self._kept:
            bucket.bytecode_from_string(self._kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Store a compiled template."""
        self._kept[bucket.key] = bucket.bytecode_to_string()


_compiled_templates = _CompiledTemplates()


def console_on(settings: Settings, gateway: FakeGateway) -> Console:
    """Return a console with these settings."""
    clock = Clock()
    context = bootstrap.app_context(settings, clock=clock)
    app = create_app(context)
    app.jinja_env.bytecode_cache = _compiled_templates
    return Console(app, context, gateway, clock)
