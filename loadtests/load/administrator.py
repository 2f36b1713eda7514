"""Creation and removal of a load test's tenants, by an administrator through the API."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import quote

from loadtests.load.api import Account, SiteFailed
from loadtests.load.site import BUCKET, Site

#: The limits of the noisy tenant of a load test.
NOISY_LIMITS: Mapping[str, int] = {"requests_per_minute": 600, "concurrent_uploads": 2}
_SCOPES = ["files:read", "files:write", "files:delete", "buckets:admin"]
# A killed run leaves its files. Wharf deletes them after this time.
_EXPIRE_SECONDS = 6 * 3600


class Administrator:
    """A client with the scope `tenants:admin` that creates and deletes the tenants of a site."""

    def __init__(self, site: Site, client_id: str, secret: str) -> None:
        self.site = site
        self._account = Account("", client_id, secret)
        self._tenants: list[str] = []

    def set_up(self, quiet: int, noisy_limits: Mapping[str, int] = NOISY_LIMITS) -> None:
        """Create `quiet` quiet tenants and a noisy one.

        If that fails, delete the created tenants and raise `SiteFailed`.
        """
        run = uuid.uuid4().hex[:8]
        try:
            for number in range(1, quiet + 1):
                self.site.quiet.append(self._create(f"load-{run}-{number}"))
            self.site.noisy = self._create(f"load-{run}-noisy")
            self._limit(self.site.noisy.tenant, noisy_limits)
        except BaseException:  # also when a person stops the test during its set-up
            for tenant in self._tenants:
                with suppress(SiteFailed):
                    self._delete(tenant)
            raise

    def tear_down(self) -> None:
        """Delete all files, then the tenants; raise `SiteFailed` when Wharf refuses."""
        for account in self.site.accounts:
            self._limit(account.tenant, {})
            for file in self.site.files(account):
                path = f"/v1/files/{BUCKET}/{quote(file['key'])}"
                self.site.api.ask("DELETE", path, self.site.token(account))
            self._delete(account.tenant)

    def _create(self, tenant: str) -> Account:
        self._tenants.append(tenant)
        self.site.api.json("POST", "/auth/v1/tenants", self._token(), {"tenant": tenant})
        made = self.site.api.json(
            "POST",
            f"/auth/v1/tenants/{tenant}/clients",
            self._token(),
            {"name": "load", "scopes": _SCOPES},
        )
        account = Account(tenant, made["client_id"], made["client_secret"])
        policy = {"expire_after_seconds": _EXPIRE_SECONDS}
        self.site.api.json("PUT", f"/v1/buckets/{BUCKET}", self.site.token(account), policy)
        return account

    def _limit(self, tenant: str, limits: Mapping[str, int]) -> None:
        path = f"/v1/tenants/{tenant}/limits"
        self.site.api.json("PUT", path, self._token(), dict(limits))

    def _delete(self, tenant: str) -> None:
        self.site.api.json("DELETE", f"/auth/v1/tenants/{tenant}", self._token())

    def _token(self) -> str:
        return self._account.valid_token(self.site.api)
