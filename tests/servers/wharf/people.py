"""People of a running Wharf: made by an administrator, logged in through the gateway."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from tests.servers.wharf.api_client import Answer, ApiClient, Headers

COOKIE = "__Host-wharf_refresh"
PASSWORD = "correct horse battery"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass
class Person:
    """A user. `api` has the user's access token, and `cookie` has the cookie of the
    user's browser.
    """

    api: ApiClient
    id: str
    username: str
    cookie: str = ""

    def login(
        self, password: str = PASSWORD, headers: Headers | None = None, **members: Any
    ) -> Answer:
        """Log in, and keep the access token and the cookie on success."""
        body = {
            "tenant": self.api.tenant,
            "username": self.username,
            "password": password,
            **members,
        }
        fields = {"Content-Type": "application/json", **(headers or {})}
        anyone = self.api.using(None)
        return self._kept(anyone.request("POST", "/auth/login", json.dumps(body).encode(), fields))

    def refresh(self, headers: Headers | None = None, **form: str) -> Answer:
        """Refresh with the cookie or a token in the form, and keep the new tokens on success."""
        fields = {"grant_type": "refresh_token", **form}
        sent = {**FORM, **({} if "refresh_token" in form else self.cookies), **(headers or {})}
        anyone = self.api.using(None)
        return self._kept(
            anyone.request("POST", "/auth/oauth/token", urlencode(fields).encode(), sent)
        )

    def logout(self, headers: Headers | None = None) -> Answer:
        """End the session of the cookie."""
        anyone = self.api.using(None)
        return anyone.request("POST", "/auth/logout", headers={**self.cookies, **(headers or {})})

    @property
    def cookies(self) -> dict[str, str]:
        """Return the header field with the cookie, or no field if there is no cookie."""
        return {"Cookie": f"{COOKIE}={self.cookie}"} if self.cookie else {}

    def elsewhere(self) -> Person:
        """Return a copy of this person at another device, with the current tokens."""
        return replace(self)

    def _kept(self, answer: Answer) -> Answer:
        if answer.status == 200:
            self.api = self.api.using(answer.json()["access_token"])
            pair = (answer.headers.get("Set-Cookie") or "").partition(";")[0]
            name, _, value = pair.partition("=")
            if name == COOKIE:
                self.cookie = value
        return answer


def make(admin: ApiClient, tenant: str, username: str = "ada", role: str = "editor") -> Person:
    """Add a user to an existing tenant and return it."""
    body = {"username": username, "role": role, "password": PASSWORD}
    answer = admin.send_json("POST", f"/auth/v1/tenants/{tenant}/users", body)
    assert answer.status == 201, answer.body
    api = ApiClient(admin.port, None, tenant)
    return Person(api, answer.json()["user_id"], username)
