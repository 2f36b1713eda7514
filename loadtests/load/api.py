"""Requests that a load test sends outside of the measurement, and the accounts it logs in with."""

from __future__ import annotations

import base64
import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

_TIMEOUT_SECONDS = 60.0


class SiteFailed(Exception):
    """Wharf did not do what the test needs; the message says what to check."""


class Api:
    """One connection to Wharf. A broken connection is opened again."""

    def __init__(self, host: str) -> None:
        self.host = host
        self._connection = connect(host, _TIMEOUT_SECONDS)

    def ask(
        self,
        method: str,
        path: str,
        token: str = "",
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Return status and body of the response; raise `SiteFailed` when there is none."""
        fields = {"Authorization": f"Bearer {token}"} if token else {}
        for last in (False, True):
            try:
                self._connection.request(method, path, body, {**fields, **(headers or {})})
                reply = self._connection.getresponse()
                return reply.status, reply.read()
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                if last:
                    raise SiteFailed(
                        f"{self.host} does not answer ({error}); is Wharf running there? (--host)"
                    ) from None
        raise AssertionError

    def json(self, method: str, path: str, token: str, content: object = None) -> Any:
        """Return the JSON of the response; raise `SiteFailed` unless the request succeeds."""
        body = b"" if content is None else json.dumps(content).encode()
        status, answer = self.ask(method, path, token, body, {"Content-Type": "application/json"})
        if not 200 <= status < 300:
            raise SiteFailed(f"{method} {path} was answered with {status}: {answer[:300]!r}")
        return json.loads(answer) if answer else None

    def login(self, client_id: str, secret: str) -> tuple[str, float]:
        """Return a token and its lifetime in seconds; raise `SiteFailed` when Wharf refuses."""
        status, answer = self.ask(
            "POST",
            "/auth/oauth/token",
            body=urlencode({"grant_type": "client_credentials"}).encode(),
            headers=login_headers(client_id, secret),
        )
        if status != 200:
            raise SiteFailed(
                f"the login of {client_id} was answered with {status}: {answer[:200]!r}"
            )
        found = json.loads(answer)
        return str(found["access_token"]), float(found["expires_in"])


def connect(host: str, timeout: float) -> http.client.HTTPConnection:
    """Return a connection to the URL `host`, which opens with the first request."""
    parts = urlsplit(host)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.netloc, timeout=timeout)


def login_headers(client_id: str, secret: str) -> dict[str, str]:
    """Return the header fields of a login: HTTP Basic, and the type of a form."""
    pair = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    return {
        "Authorization": f"Basic {pair}",
        "Content-Type": "application/x-www-form-urlencoded",
    }


@dataclass
class Account:
    """A client of a tenant. `stored` maps keys to the digests that Wharf acknowledged."""

    tenant: str
    client_id: str
    secret: str = field(repr=False)
    stored: dict[str, str] = field(default_factory=dict)
    token: str = field(default="", repr=False)
    renew_at: float = 0.0

    def keep(self, token: str, seconds: float) -> None:
        """Store a token, to be renewed after 70 % of its lifetime."""
        self.token, self.renew_at = token, time.monotonic() + 0.7 * seconds

    def valid_token(self, api: Api) -> str:
        """Return the stored token; log in first when it has to be renewed."""
        if time.monotonic() >= self.renew_at:
            self.keep(*api.login(self.client_id, self.secret))
        return self.token

    def message(self) -> dict[str, Any]:
        """Return the values that another process needs to use the account."""
        return {
            "tenant": self.tenant,
            "client_id": self.client_id,
            "secret": self.secret,
            "token": self.token,
            "seconds": self.renew_at - time.monotonic(),
        }

    @staticmethod
    def from_message(message: Mapping[str, Any]) -> Account:
        """Return the account that `message()` describes, without any stored file."""
        found = Account(message["tenant"], message["client_id"], message["secret"])
        found.token, found.renew_at = message["token"], time.monotonic() + message["seconds"]
        return found
