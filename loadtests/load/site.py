"""The tenants of a load test: made through the API by an administrator, and removed after it."""

from __future__ import annotations

import base64
import http.client
import json
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

BUCKET = "load"
_SCOPES = ["files:read", "files:write", "files:delete", "buckets:admin"]
# What is left behind when a run is killed goes by itself.
_EXPIRE_SECONDS = 6 * 3600
_TIMEOUT_SECONDS = 60.0
#: What the noisy tenant of a load test may do.
NOISY_LIMITS: Mapping[str, int] = {"requests_per_minute": 600, "concurrent_uploads": 2}


class SiteFailed(Exception):
    """Wharf did not do what a set-up needs; the message says what to look at."""


class Api:
    """Requests outside of the measurement, on one connection that is made anew when it breaks."""

    def __init__(self, host: str) -> None:
        parts = urlsplit(host)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else None
        self._connection = (kind or http.client.HTTPConnection)(
            parts.netloc, timeout=_TIMEOUT_SECONDS
        )
        self.host = host

    def ask(
        self,
        method: str,
        path: str,
        token: str = "",
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Status and body; raises `SiteFailed` when nobody answers."""
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
                        f"{self.host} does not answer ({error}); is Wharf running there? (HOST=…)"
                    ) from None
        raise AssertionError

    def json(self, method: str, path: str, token: str, content: object = None) -> Any:
        """A request that must succeed; its answer's JSON."""
        body = b"" if content is None else json.dumps(content).encode()
        status, answer = self.ask(method, path, token, body, {"Content-Type": "application/json"})
        if not 200 <= status < 300:
            raise SiteFailed(f"{method} {path} was answered with {status}: {answer[:300]!r}")
        return json.loads(answer) if answer else None

    def login(self, client_id: str, secret: str) -> tuple[str, float]:
        """A token, and for how many seconds it is good."""
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


def login_headers(client_id: str, secret: str) -> dict[str, str]:
    """HTTP Basic, and the type of a form."""
    pair = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    return {
        "Authorization": f"Basic {pair}",
        "Content-Type": "application/x-www-form-urlencoded",
    }


@dataclass
class Account:
    """A client of a tenant. `stored` has what was acknowledged: digests by key."""

    tenant: str
    client_id: str
    secret: str
    stored: dict[str, str] = field(default_factory=dict)
    token: str = ""
    renew_at: float = 0.0

    def keep(self, token: str, seconds: float) -> None:
        """Remembers a token until most of its time is over."""
        self.token, self.renew_at = token, time.monotonic() + 0.7 * seconds


class Site:
    """The accounts of one run; `faults` are wrong or lost bytes."""

    def __init__(self, host: str, client_id: str, secret: str) -> None:
        self.api = Api(host)
        self._admin = Account("", client_id, secret)
        self.quiet: list[Account] = []
        self.noisy: Account | None = None
        self.faults: list[str] = []
        self._turn = 0

    def set_up(self, quiet: int, noisy_limits: Mapping[str, int] = NOISY_LIMITS) -> None:
        """Makes the tenants, each with a bucket whose files expire by themselves."""
        run = uuid.uuid4().hex[:8]
        for number in range(1, quiet + 1):
            self.quiet.append(self._make(f"load-{run}-{number}"))
        self.noisy = self._make(f"load-{run}-noisy")
        self.api.json(
            "PUT",
            f"/v1/tenants/{self.noisy.tenant}/limits",
            self.token(self._admin),
            dict(noisy_limits),
        )

    def next_quiet(self) -> Account:
        """The quiet accounts in turn."""
        self._turn += 1
        return self.quiet[self._turn % len(self.quiet)]

    def token(self, account: Account) -> str:
        """A token with time left, outside of the measurement."""
        if time.monotonic() >= account.renew_at:
            account.keep(*self.api.login(account.client_id, account.secret))
        return account.token

    def _make(self, tenant: str) -> Account:
        admin = self.token(self._admin)
        self.api.json("POST", "/auth/v1/tenants", admin, {"tenant": tenant})
        made = self.api.json(
            "POST",
            f"/auth/v1/tenants/{tenant}/clients",
            admin,
            {"name": "load", "scopes": _SCOPES},
        )
        account = Account(tenant, made["client_id"], made["client_secret"])
        policy = {"expire_after_seconds": _EXPIRE_SECONDS}
        self.api.json("PUT", f"/v1/buckets/{BUCKET}", self.token(account), policy)
        return account

    def check(self) -> None:
        """Everything that was acknowledged must be there, with its digest."""
        for account in self.quiet:
            there = {file["key"]: file["sha256"] for file in self._files(account)}
            for key, digest in account.stored.items():
                if there.get(key) != digest:
                    self.faults.append(
                        f"{account.tenant}: {key} was acknowledged with {digest} and is "
                        f"{there.get(key, 'gone')}"
                    )

    def tear_down(self) -> None:
        """Deletes the files, then the tenants; a file that cannot be deleted expires."""
        for account in (*self.quiet, *([self.noisy] if self.noisy else ())):
            self.api.json(
                "PUT", f"/v1/tenants/{account.tenant}/limits", self.token(self._admin), {}
            )
            for file in self._files(account):
                path = f"/v1/files/{BUCKET}/{quote(file['key'])}"
                self.api.ask("DELETE", path, self.token(account))
            self.api.json("DELETE", f"/auth/v1/tenants/{account.tenant}", self.token(self._admin))

    def _files(self, account: Account) -> Iterator[dict[str, Any]]:
        cursor = ""
        while True:
            query = urlencode({"limit": "1000", **({"cursor": cursor} if cursor else {})})
            page = self.api.json("GET", f"/v1/files/{BUCKET}?{query}", self.token(account))
            yield from page["files"]
            cursor = page["next_cursor"]
            if not cursor:
                return
