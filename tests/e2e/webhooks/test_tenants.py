"""Webhooks of tenants that are suspended, resumed and deleted."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from tests.servers.webhook_receiver import Reply, WebhookReceiver
from tests.servers.wharf.instance import ROOT, Wharf
from tests.servers.wharf.raw_http import until
from tests.servers.wharf.tenants import Tenants
from tests.servers.wharf.webhooks import SCOPES, Hook, created


def _command(wharf: Wharf, *words: str) -> list[dict[str, Any]]:
    """Return the lines of a command of `wharf-upload`."""
    kept = {name: value for name, value in os.environ.items() if name[:6] != "WHARF_"}
    done = subprocess.run(
        [ROOT / ".venv/bin/wharf-upload", *words],
        env={**kept, "WHARF_DATA": str(wharf.data)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def _failing(hook: Hook, receiver: WebhookReceiver) -> str:
    """Let the first try of an event fail; return the id of its delivery."""
    receiver.answering = lambda _: Reply(503, {"Retry-After": "3600"})
    hook.api.stored("a")
    assert until(lambda: [one["status"] for one in hook.deliveries()] == [503])
    return str(hook.deliveries()[0]["id"])


def _job(wharf: Wharf, tenant: str) -> dict[str, Any]:
    """Return the only job of a tenant."""
    (job,) = _command(wharf, "jobs", "list", "--tenant", tenant)
    return job


def test_a_suspended_tenant(
    hooked: Wharf, hooked_tenants: Tenants, receiver: WebhookReceiver
) -> None:
    """A suspended tenant's receiver gets nothing; when the tenant is resumed, it gets the event."""
    api = hooked_tenants.tenant(*SCOPES)
    hook = created(api, receiver.url)
    delivery = _failing(hook, receiver)
    path = f"/auth/v1/tenants/{api.tenant}"
    assert hooked_tenants.admin.request("POST", f"{path}/suspend").status == 204

    def retried() -> bool:
        """Tell whether the worker runs the job and knows that the tenant is suspended."""
        _command(hooked, "webhooks", "retry", api.tenant, hook.id, delivery)
        return "suspended" in _job(hooked, api.tenant)["error"]

    assert until(retried, pause=0.5)
    receiver.answering = lambda _: Reply()
    count, before = len(receiver.received), _job(hooked, api.tenant)["at"]
    _command(hooked, "webhooks", "retry", api.tenant, hook.id, delivery)
    # The job ran again, and waits for a later time.
    assert until(lambda: _job(hooked, api.tenant)["at"] > before, pause=0.5)
    assert len(receiver.received) == count
    assert hooked_tenants.admin.request("POST", f"{path}/resume").status == 204
    assert until(lambda: api.get(f"{hook.path}/deliveries").status == 200)

    def arrived() -> bool:
        _command(hooked, "webhooks", "retry", api.tenant, hook.id, delivery)
        return len(receiver.received) > count

    assert until(arrived, pause=0.5)
    assert {request.id for request in receiver.received} == {f"{api.tenant}.{delivery}"}


def test_a_deleted_tenant(
    hooked: Wharf, hooked_tenants: Tenants, receiver: WebhookReceiver
) -> None:
    """A deleted tenant's receiver gets nothing, and the event waits in case of a resume."""
    api = hooked_tenants.tenant(*SCOPES)
    hook = created(api, receiver.url)
    delivery = _failing(hook, receiver)
    path = f"/auth/v1/tenants/{api.tenant}"
    assert hooked_tenants.admin.request("DELETE", path).status == 200
    assert until(lambda: api.file("a").slug == "tenant-suspended")

    def retried() -> bool:
        """Tell whether the worker runs the job and knows that the tenant was deleted."""
        _command(hooked, "webhooks", "retry", api.tenant, hook.id, delivery)
        return "deleted" in _job(hooked, api.tenant)["error"]

    assert until(retried, pause=0.5)
    count, before = len(receiver.received), _job(hooked, api.tenant)["at"]
    _command(hooked, "webhooks", "retry", api.tenant, hook.id, delivery)
    assert until(lambda: _job(hooked, api.tenant)["at"] > before, pause=0.5)
    assert len(receiver.received) == count
