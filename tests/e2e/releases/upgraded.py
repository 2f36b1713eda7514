"""Today's Wharf on the data of an earlier release, with the accounts in that data."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import pytest

from tests.servers.releases.laid import CREDENTIALS, RELEASES, facts
from tests.servers.wharf import people
from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.tenants import Signer

# The data of 0.1.0 has one link and events, which test_upgrade.py tests, but no tokens.
HANDED_OUT = [release for release in RELEASES if "handed_out" in facts(release)]
carried = pytest.mark.parametrize("upgraded", HANDED_OUT, indirect=True)


@dataclass(frozen=True)
class Upgraded:
    """A running Wharf on the data of a release; `found` contains facts about the data."""

    wharf: Wharf
    found: dict[str, Any]

    @property
    def anyone(self) -> ApiClient:
        """Return a client without a credential."""
        return ApiClient(self.wharf.port, None, "demo")

    @property
    def demo(self) -> ApiClient:
        """Return the client of the tenant `demo`, with the secret that the release hashed."""
        entry = CREDENTIALS["demo"]
        answer = self.anyone.login(entry["client_id"], entry["client_secret"])
        assert answer.status == 200, answer.body
        return self.anyone.using(answer.json()["access_token"])

    def person(self) -> people.Person:
        """Return the owner of the tenant, with the password that the release hashed."""
        ada = people.Person(self.anyone, "", "ada")
        answer = ada.login()
        assert answer.status == 200, answer.body
        return ada

    @property
    def links(self) -> dict[str, str]:
        """Return paths of links by their maker.

        For 0.1.0 the result is empty: the only link of that release is `found["link"]`.
        """
        found: dict[str, str] = self.found.get("handed_out", {}).get("links", {})
        return found

    def with_token(self, name: str) -> ApiClient:
        """Return a client with a token of the release, whose times now begin in the present."""
        kept = self.found["handed_out"][name]
        passed = int(time.time()) - self.found["made_at"]
        claims = {
            **kept["claims"],
            "iat": kept["claims"]["iat"] + passed,
            "exp": kept["claims"]["exp"] + passed,
            "iss": f"{self.wharf.url}/auth",
        }
        return self.anyone.using(Signer(self.wharf).token(kept["header"], **claims))
