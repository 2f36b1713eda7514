"""Webhooks from uploads through the gateway to receivers, with the real processes."""

from __future__ import annotations

import json
import os
import signal
import threading
from typing import Any

from tests.servers.certificates import Certificate
from tests.servers.webhook_receiver import Received, Reply, WebhookReceiver, webhook_receiver
from tests.servers.wharf.api_client import LARGE, ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.multipart_body import file_part
from tests.servers.wharf.raw_http import until
from tests.servers.wharf.tenants import Signer
from tests.servers.wharf.tus_client import Tus
from tests.servers.wharf.webhooks import SCOPES, created


def _client(signer: Signer) -> ApiClient:
    return signer.client(scope=" ".join(SCOPES))


def _in_each_way(api: ApiClient) -> None:
    """Change files in each way that makes an event."""
    api.stored("small")
    api.stored("large", LARGE)
    assert api.post(file_part("form.txt")).status == 201
    tus = Tus(api)
    address = tus.created(5, filename="tus")
    assert tus.patch(address, 0, b"12345").status == 204
    api.stored("small", b"another version")
    moved = {"key": "moved"}
    assert api.send_json("PATCH", "/v1/metadata/default/large", moved).status == 200
    assert api.delete("moved").status == 204


def _events(api: ApiClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get("/v1/events?after=0").json()["events"]
    return found


def test_each_way(hooked_signer: Signer, receiver: WebhookReceiver) -> None:
    """A change in any way arrives once, signed, with the data and the order of `GET /v1/events`."""
    api = _client(hooked_signer)
    hook = created(api, receiver.url)
    _in_each_way(api)
    events = _events(api)
    assert len(events) == 7
    arrived = receiver.wait_for(len(events))
    hook.ended(len(events))
    assert len(receiver.received) == len(events)
    assert all(map(hook.signed, arrived))
    in_order = sorted(arrived, key=lambda request: request.event["sequence"])
    assert [request.event["data"] for request in in_order] == events
    assert [request.id for request in in_order] == [f"{api.tenant}.{one['id']}" for one in events]


def test_an_ordered_endpoint(hooked_signer: Signer, receiver: WebhookReceiver) -> None:
    """An ordered endpoint gets the events in their order, also when a try fails."""
    api = _client(hooked_signer)
    failing = iter([503])
    receiver.answering = lambda _: Reply(next(failing, 204))
    hook = created(api, receiver.url, ordered=True)
    for number in range(5):
        api.stored(str(number))
    hook.ended(5)
    keys = [request.event["data"]["file"]["key"] for request in receiver.received]
    assert keys == ["0", "0", "1", "2", "3", "4"]


def test_a_killed_worker(hooked: Wharf, hooked_signer: Signer, receiver: WebhookReceiver) -> None:
    """A worker that is killed while it sends loses no event; repeats have the same id and body."""
    api = _client(hooked_signer)
    hook = created(api, receiver.url)
    receiver.answering = lambda _: Reply(delay_seconds=0.1)
    count = 60
    uploading = threading.Thread(
        target=lambda: [api.stored(f"{number}") for number in range(count)]
    )
    uploading.start()
    for part in (5, 20):
        receiver.wait_for(part)
        found = hooked.processes("worker")
        assert found
        for pid in found:
            os.kill(pid, signal.SIGKILL)
    uploading.join()
    wanted = {f"{api.tenant}.{one['id']}" for one in _events(api)}
    assert len(wanted) == count
    assert until(lambda: {request.id for request in list(receiver.received)} == wanted)
    hook.ended(count)
    bodies: dict[str, set[bytes]] = {}
    for request in receiver.received:
        bodies.setdefault(request.id, set()).add(request.body)
    assert bodies.keys() == wanted
    assert all(len(same) == 1 for same in bodies.values())


def test_certificates(
    hooked_signer: Signer, known: Certificate, other_certificate: Certificate
) -> None:
    """A receiver gets events if its certificate has a known authority, and none otherwise."""
    api = _client(hooked_signer)
    with webhook_receiver(tls=known) as right, webhook_receiver(tls=other_certificate) as wrong:
        good, bad = (created(api, one.url) for one in (right, wrong))
        api.stored("a")
        good.ended(1)
        assert len(right.received) == 1

        def error() -> str | None:
            return next((one["error"] for one in bad.deliveries() if one["attempts"]), None)

        assert until(error)
        assert "certificate" in str(error())
        assert wrong.received == []


def test_bad_neighbours(hooked_signer: Signer) -> None:
    """A dead and a slow endpoint delay none of 50 others, of their tenant or another tenant."""
    apis = [_client(hooked_signer) for _ in range(4)]
    order: list[str] = []

    def answering(request: Received) -> Reply:
        name = request.path.removeprefix("/")
        if name == "dead":
            hold.wait(60)
        order.append(name)
        return Reply(delay_seconds=2.0 if name == "slow" else 0.0)

    hold = threading.Event()
    with webhook_receiver(answering) as receiver:
        base = receiver.url.removesuffix("/hook")
        dead, slow = (created(apis[0], f"{base}/{name}") for name in ("dead", "slow"))
        others = [created(apis[number % 4], f"{base}/{number}") for number in range(50)]
        for api in apis:
            for key in "abc":
                api.stored(key)

        def failed() -> bool:
            return any(one["error"] for one in dead.deliveries())

        assert until(failed)
        # The first try to the dead endpoint has timed out, after all deliveries to the others.
        assert sorted(name for name in order if name.isdigit()) == sorted(
            str(number) for number in range(50) for _ in "abc"
        )
        assert {one["state"] for one in dead.deliveries()} == {"open"}
        hold.set()
        for hook in others:
            assert {one["state"] for one in hook.ended(3)} == {"done"}
        slow.ended(3)
        assert order.count("slow") == 3


def test_the_log_of_the_worker(hooked: Wharf, hooked_signer: Signer) -> None:
    """No log has a signing secret or the body of an event."""
    api = _client(hooked_signer)
    with webhook_receiver() as receiver:
        hook = created(api, receiver.url)
        api.stored("a-very-special-key")
        hook.ended(1)
    logs = "".join(hooked.log(name) for name in ("upload", "worker", "access", "auth"))
    assert hook.secret.removeprefix("whsec_") not in logs
    assert json.dumps("a-very-special-key") not in hooked.log("worker")
