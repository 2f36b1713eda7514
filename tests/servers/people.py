"""People of an auth service for tests: made by the administrator, logged in with a password."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.servers.auth import TOKEN, AuthService

COOKIE = "__Host-wharf_refresh"
PASSWORD = "correct horse battery"


@dataclass
class Person:
    """A user, and a browser that keeps the user's cookies."""

    auth: AuthService
    id: str
    tenant: str
    username: str
    browser: FlaskClient
    token: str = ""

    def login(self, password: str = PASSWORD, **members: Any) -> TestResponse:
        """Log in, and keep the access token on success."""
        body = {"tenant": self.tenant, "username": self.username, "password": password, **members}
        reply = self.browser.post("/auth/login", json=body)
        if reply.status_code == 200:
            self.token = reply.get_json()["access_token"]
        return reply

    def refresh(self, token: str | None = None, **form: str) -> TestResponse:
        """Refresh with this token or with the cookie, and keep the access token on success."""
        given = {} if token is None else {"refresh_token": token}
        reply = self.browser.post(TOKEN, data={"grant_type": "refresh_token", **given, **form})
        if reply.status_code == 200:
            self.token = reply.get_json()["access_token"]
        return reply

    def refresh_token(self) -> str:
        """Log in again, and return the new session's refresh token, which is in no cookie."""
        reply = self.login(refresh_token="body")
        return str(reply.get_json()["refresh_token"])

    @property
    def cookie(self) -> str | None:
        """Return the refresh token in the browser's cookie, or `None` without a cookie."""
        found = self.browser.get_cookie(COOKIE)
        return found.value if found else None

    def call(self, method: str, path: str, **arguments: Any) -> TestResponse:
        """Send a request with the access token to a path below `/auth`."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return self.browser.open(f"/auth{path}", method=method, headers=headers, **arguments)

    def manage(self, method: str, path: str, **arguments: Any) -> TestResponse:
        """Send a request about the person's own tenant."""
        return self.call(method, f"/v1/tenants/{self.tenant}{path}", **arguments)

    def change(self, **members: str) -> None:
        """Let the administrator change this user."""
        path = f"/tenants/{self.tenant}/users/{self.id}"
        assert self.auth.admin("PATCH", path, json=members).status_code == 200


def person(
    auth: AuthService, username: str = "ada", role: str = "editor", tenant: str = "demo"
) -> Person:
    """Add a user to a tenant, which is made if it does not exist."""
    if auth.admin("GET", f"/tenants/{tenant}").status_code == 404:
        auth.admin("POST", "/tenants", json={"tenant": tenant})
    body = {"username": username, "role": role, "password": PASSWORD}
    reply = auth.admin("POST", f"/tenants/{tenant}/users", json=body)
    assert reply.status_code == 201, reply.get_json()
    browser = auth.app.test_client()
    return Person(auth, reply.get_json()["user_id"], tenant, username, browser)


def logged_in(
    auth: AuthService, username: str = "ada", role: str = "editor", tenant: str = "demo"
) -> Person:
    """Return a new user who has logged in."""
    found = person(auth, username, role, tenant)
    assert found.login().status_code == 200
    return found
