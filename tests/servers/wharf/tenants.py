"""Tenants and clients: real ones from auth's API, and quick ones signed with auth's key."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt

from tests.servers.wharf.api_client import Answer, ApiClient
from tests.servers.wharf.instance import Wharf

ALL_SCOPES = ("files:read", "files:write", "files:delete", "buckets:admin")
# A third of a token's lifetime.
_LOGIN_SECONDS = 300
# Tests may use one token during the whole session, which takes an hour under load.
_TOKEN_SECONDS = 6 * 3600
_numbers: Iterator[int] = itertools.count(1)


class Tenants:
    """An administrator of one Wharf, who creates tenants and clients."""

    def __init__(self, wharf: Wharf) -> None:
        self._api = ApiClient(wharf.port)
        self._credentials = wharf.credentials("admin")
        self._log_in()

    def _log_in(self) -> None:
        known = self._credentials
        self._admin = self._logged_in(known["client_id"], known["client_secret"])
        self._logged_in_at = time.monotonic()

    @property
    def admin(self) -> ApiClient:
        """Return the administrator, and log in again when needed, because a session of
        tests outlives a token.
        """
        if time.monotonic() - self._logged_in_at > _LOGIN_SECONDS:
            self._log_in()
        return self._admin

    def _logged_in(self, client_id: str, secret: str) -> ApiClient:
        answer = self._api.login(client_id, secret)
        assert answer.status == 200, answer.body
        return self._api.using(answer.json()["access_token"])

    def tenant(self, *scopes: str) -> ApiClient:
        """Return a logged-in client of a new tenant. Without `scopes` the client has
        all scopes for files.
        """
        name = f"team-{next(_numbers)}"
        answer = self.admin.send_json("POST", "/auth/v1/tenants", {"tenant": name})
        assert answer.status == 201, answer.body
        return self.client(name, *scopes)

    def client(self, tenant: str, *scopes: str) -> ApiClient:
        """Return a new, logged-in client of a tenant."""
        answer = self.admin.send_json(
            "POST",
            f"/auth/v1/tenants/{tenant}/clients",
            {"name": f"client-{next(_numbers)}", "scopes": list(scopes or ALL_SCOPES)},
        )
        assert answer.status == 201, answer.body
        made = answer.json()
        api = self._logged_in(made["client_id"], made["client_secret"])
        return ApiClient(api.port, api.token, tenant)


class Signer:
    """A signer of valid and unusual tokens with the key of a running Wharf's auth service.

    `upload` does not ask `auth` about a token. So `upload` treats such a token like an issued one,
    and the tests need not wait until `auth` hashes a secret.
    """

    def __init__(self, wharf: Wharf) -> None:
        self._port, self._issuer = wharf.port, f"{wharf.url}/auth"
        (path,) = (wharf.data / "auth" / "keys").glob("*.pem")
        self.kid, self.pem = path.stem, Path(path).read_bytes()

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return valid claims with `changes`. A change to `None` removes a claim."""
        now = int(time.time())
        number = next(_numbers)
        claims = {
            "iss": self._issuer,
            "sub": f"client-{number}",
            "aud": "upload",
            "tid": f"quick-{number}",
            "scope": " ".join(ALL_SCOPES),
            "iat": now,
            "exp": now + _TOKEN_SECONDS,
            "jti": f"token-{number}",
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, headers: dict[str, Any] | None = None, **changes: Any) -> str:
        """Return a token with valid claims, changed by `changes`, and a valid header, changed by
        `headers`.
        """
        header = {"typ": "at+jwt", "kid": self.kid, **(headers or {})}
        kept = {name: value for name, value in header.items() if value is not None}
        return jwt.encode(self.claims(**changes), self.pem, "RS256", kept)

    def client(self, **changes: Any) -> ApiClient:
        """Return a client of a tenant that no other client uses, unless `tid` is given."""
        tenant = str(changes.get("tid") or f"quick-{next(_numbers)}")
        return ApiClient(self._port, self.token(**{**changes, "tid": tenant}), tenant)


def set_limits(signer: Signer, tenant: str, **limits: Any) -> Answer:
    """Set a tenant's limits as an administrator does. Limits that are not
    given get their defaults.
    """
    admin = signer.client(scope="tenants:admin")
    return admin.send_json("PUT", f"/v1/tenants/{tenant}/limits", limits)
