"""Deletion of tenants, rotation of keys and the audit log, in a separate Wharf.

Row numbers are those of the tables in docs/security.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.servers.promised import holds
from tests.servers.wharf.api_client import LARGE, ApiClient
from tests.servers.wharf.instance import Wharf, running
from tests.servers.wharf.raw_http import exchange, head, until
from tests.servers.wharf.tenants import Tenants


@pytest.fixture(scope="module")
def own() -> Iterator[Wharf]:
    """Start a Wharf that removes deleted tenants after twelve seconds."""
    with running(
        WHARF_TENANT_GRACE_SECONDS="12", WHARF_SWEEP_SECONDS="1", WHARF_DELETED_GRACE_SECONDS="1"
    ) as found:
        yield found


@pytest.fixture
def accounts(own: Wharf) -> Tenants:
    """Return accounts with a new login: one test retires the key that signed all earlier tokens."""
    return Tenants(own)


def command(own: Wharf, *arguments: str) -> str:
    """Run `wharf-auth` next to the running service, and return its output."""
    kept = {name: value for name, value in os.environ.items() if name[:6] != "WHARF_"}
    done = subprocess.run(
        [str(Path(sys.executable).parent / "wharf-auth"), *arguments],
        env={**kept, "WHARF_DATA": str(own.data), "WHARF_ISSUER": f"{own.url}/auth"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def audited(accounts: Tenants, tenant: str) -> list[str]:
    page = accounts.admin.get(f"/auth/v1/audit?tenant={tenant}").json()
    return [one["act"] for one in page["acts"]]


def blobs(own: Wharf, tenant: str) -> list[Path]:
    return [path for path in (own.data / "tenants" / tenant).rglob("*") if path.is_file()]


def test_a_deleted_tenant_comes_back_or_goes_for_good(own: Wharf, accounts: Tenants) -> None:
    """A deleted tenant is refused within seconds, and is removed after its grace period.

    An administrator can resume the tenant before that.
    """
    api = accounts.tenant()
    api.stored("a", LARGE)
    path = f"/auth/v1/tenants/{api.tenant}"
    gone = accounts.admin.request("DELETE", path).json()
    assert (gone["state"], gone["purge_at"] > gone["deleted_at"]) == ("deleted", True)
    assert holds(lambda: api.file("a").slug == "tenant-suspended")
    assert accounts.admin.request("POST", f"{path}/resume").status == 204
    assert holds(lambda: api.file("a").status == 200)
    assert accounts.admin.request("DELETE", path).status == 200
    assert until(lambda: accounts.admin.get(path).json()["state"] == "purged", seconds=60)
    assert until(lambda: not blobs(own, api.tenant), seconds=60)
    api.file("a").problem(403, "tenant-suspended")
    accounts.admin.request("POST", f"{path}/resume").problem(409, "tenant-deleted")
    body = {"tenant": api.tenant}
    accounts.admin.send_json("POST", "/auth/v1/tenants", body).problem(409, "tenant-exists")
    # The refused creation is in the audit log of the administrator's tenant.
    assert audited(accounts, api.tenant)[-3:] == [
        "tenants.resume",
        "tenants.delete",
        "tenants.purge",
    ]


def test_the_feed_is_for_the_internal_port(own: Wharf, accounts: Tenants) -> None:
    """The feed of revocations names all tenants, so only the internal port serves it."""
    for target in ("/feed", "/auth/internal/feed", "/auth/internal/feed?after=0"):
        answer = accounts.admin.get(target)
        assert answer.status == 404
    line = "GET /feed?after=0&limit=1 HTTP/1.1"
    (reply,) = exchange(own.metrics_port, head(line, "Connection: close"))
    assert reply.status == 200
    assert set(json.loads(reply.body)) == {"entries", "latest"}


def kid(api: ApiClient) -> str:
    found: str = jwt.get_unverified_header(str(api.token))["kid"]
    return found


def published(api: ApiClient) -> set[str]:
    found: list[dict[str, Any]] = api.get("/.well-known/jwks.json").json()["keys"]
    return {key["kid"] for key in found}


def test_keys_rotate_without_a_restart(own: Wharf, accounts: Tenants) -> None:
    """Row 62: auth publishes a new key before it signs with the key; a retired key is refused."""
    api = accounts.tenant()
    old = kid(api)
    new = command(own, "keys", "rotate").split()[0]
    assert until(lambda: published(api) == {old, new})
    assert kid(accounts.client(api.tenant)) == old
    command(own, "keys", "retire", "--force", old)
    assert until(lambda: published(api) == {new})
    # Each process of auth checks the keys once a second; auth's second process signs.
    assert until(lambda: kid(Tenants(own).client(api.tenant)) == new)
    fresh = Tenants(own).client(api.tenant)
    # An unknown key makes upload fetch the key set again, which drops the old key.
    assert until(lambda: fresh.get("/v1/usage").status == 200, seconds=60)
    assert until(lambda: api.get("/v1/usage").slug == "token-signature", seconds=60)


def test_a_ticket_by_command_uploads(own: Wharf, accounts: Tenants) -> None:
    """A ticket that `wharf-auth ticket create` prints is enough to upload a file."""
    api = accounts.tenant()
    ticket = command(own, "ticket", "create", f"{api.tenant}/default", "--prefix", "in/").strip()
    anyone = api.using(None)
    assert until(lambda: anyone.request("PUT", f"/u/{ticket}/a", b"x").status == 201, seconds=60)
    assert api.file("in/a").body == b"x"
    assert audited(accounts, api.tenant)[-1] == "tickets.create"
