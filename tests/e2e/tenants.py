"""Tenants and clients, made through auth's own API."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from tests.e2e.api_client import ApiClient
from tests.e2e.instance import Wharf

ALL_SCOPES = ("files:read", "files:write", "files:delete", "buckets:admin")
_numbers: Iterator[int] = itertools.count(1)


class Tenants:
    """Makes tenants of one Wharf and clients of them."""

    def __init__(self, wharf: Wharf) -> None:
        self._api = ApiClient(wharf.port)
        admin = wharf.credentials("admin")
        self._admin = self._logged_in(admin["client_id"], admin["client_secret"])

    def _logged_in(self, client_id: str, secret: str) -> ApiClient:
        answer = self._api.login(client_id, secret)
        assert answer.status == 200, answer.body
        return self._api.using(answer.json()["access_token"])

    def tenant(self, *scopes: str) -> ApiClient:
        """A new tenant with one client, logged in; without `scopes` it has all for files."""
        name = f"team-{next(_numbers)}"
        answer = self._admin.send_json("POST", "/auth/v1/tenants", {"tenant": name})
        assert answer.status == 201, answer.body
        return self.client(name, *scopes)

    def client(self, tenant: str, *scopes: str) -> ApiClient:
        """A new client of a tenant, logged in."""
        answer = self._admin.send_json(
            "POST",
            f"/auth/v1/tenants/{tenant}/clients",
            {"name": f"client-{next(_numbers)}", "scopes": list(scopes or ALL_SCOPES)},
        )
        assert answer.status == 201, answer.body
        made = answer.json()
        api = self._logged_in(made["client_id"], made["client_secret"])
        return ApiClient(api.port, api.token, tenant)
