"""Deliveries to a real receiver: requests, signatures, tries and their ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from standardwebhooks import Webhook, WebhookVerificationError

from servicekit.database import Database
from tests.contract.webhooks.sending import ORIGIN, Sending, caller
from tests.servers.webhook_receiver import Received, Reply, WebhookReceiver, webhook_receiver
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.webhooks import TRIES, Endpoint, Replay
from wharf_upload.webhooks.endpoint_catalog import Change


@pytest.fixture
def sending(records: SqlRecords, tmp_path: Path) -> Sending:
    """Return the parts that deliver events."""
    return Sending(records, tmp_path)


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    """Yield a receiver that accepts everything."""
    with webhook_receiver() as running:
        yield running


def _is_signed(secret: str, request: Received) -> bool:
    """Tell whether the library of Standard Webhooks accepts a request with the secret."""
    try:
        Webhook(secret).verify(request.body, request.fields)
    except WebhookVerificationError:
        return False
    return True


def test_a_request(sending: Sending, receiver: WebhookReceiver) -> None:
    """A delivery is a signed CloudEvent whose data is the event as `GET /v1/events` shows it."""
    shown = sending.create(receiver.url)
    sending.upload("a/你好.txt")
    assert sending.run() == 1
    (request,) = receiver.wait_for(1)
    assert request.path == "/hook"
    assert request.fields["host"] == receiver.host
    assert _is_signed(shown.secret, request)
    event = from_http_event(HTTPMessage(request.fields, request.body))
    assert event.get_type() == "dev.wharf.file.created"
    assert event.get_source() == f"{ORIGIN}/tenants/demo"
    assert event.get_subject() == "default/a/你好.txt"
    data = event.get_data()
    assert isinstance(data, dict)
    assert event.get_id() == request.id == f"demo.{data['id']}"
    assert data["file"]["key"] == "a/你好.txt"
    (delivery,) = sending.deliveries(shown.endpoint.id)
    assert (delivery.state, delivery.status, delivery.attempts) == ("done", 204, 1)


def test_a_changed_body(sending: Sending, receiver: WebhookReceiver) -> None:
    """A request with another body, another time or another secret is not verified."""
    shown = sending.create(receiver.url)
    sending.upload("a")
    sending.run()
    (request,) = receiver.wait_for(1)
    other = sending.create(receiver.url).secret
    assert not _is_signed(other, request)
    assert not _is_signed(shown.secret, _with(request, body=request.body + b" "))
    later = str(int(request.fields["webhook-timestamp"]) + 1)
    assert not _is_signed(
        shown.secret, _with(request, fields={**request.fields, "webhook-timestamp": later})
    )


def _with(request: Received, **fields: object) -> Received:
    return Received(**{**vars(request), **fields})


def test_a_rotation(sending: Sending, receiver: WebhookReceiver) -> None:
    """For a day after a rotation both secrets verify, and later only the new one."""
    shown = sending.create(receiver.url)
    rotated = sending.catalog.rotate(caller(), shown.endpoint.id)
    sending.upload("1")
    sending.run()
    (first,) = receiver.wait_for(1)
    assert _is_signed(shown.secret, first)
    assert _is_signed(rotated.secret, first)
    sending.secrets_end()
    sending.upload("2")
    sending.run()
    second = receiver.wait_for(2)[1]
    assert not _is_signed(shown.secret, second)
    assert _is_signed(rotated.secret, second)


def test_the_secret_is_sealed(
    sending: Sending, receiver: WebhookReceiver, database: Database
) -> None:
    """The database has no signing secret in a form that can be used."""
    shown = sending.create(receiver.url)
    (row,) = database.reading().rows("SELECT secrets FROM endpoints WHERE tenant = 'demo'")
    assert shown.secret.removeprefix("whsec_").rstrip("=") not in row[0]


def test_a_sealed_secret_of_another_endpoint(
    sending: Sending, receiver: WebhookReceiver, database: Database
) -> None:
    """A sealed secret that was copied to another endpoint does not sign; its event waits."""
    shown = sending.create(receiver.url)
    other = sending.create(receiver.url)
    with database.transaction() as connection:
        (row,) = connection.rows(
            "SELECT secrets FROM endpoints WHERE tenant = 'demo' AND id = ?",
            (other.endpoint.id,),
        )
        connection.execute(
            "UPDATE endpoints SET secrets = ? WHERE tenant = 'demo' AND id = ?",
            (row[0], shown.endpoint.id),
        )
    sending.upload("a")
    sending.run()
    assert len(receiver.wait_for(1)) == 1
    (waiting,) = sending.deliveries(shown.endpoint.id)
    assert (waiting.state, waiting.attempts) == ("open", 0)


def test_keys_that_are_missing(sending: Sending, receiver: WebhookReceiver) -> None:
    """A delivery waits while the file of keys is missing, and arrives when it is there again."""
    sending.create(receiver.url)
    sending.upload("a")
    keys = sending.folder / "secrets.keys"
    away = keys.rename(sending.folder / "away")
    assert sending.run() == 1
    assert receiver.received == []
    away.rename(keys)
    sending.make_due()
    assert sending.run() == 1
    assert len(receiver.received) == 1


def test_the_same_bytes_at_each_try(sending: Sending, receiver: WebhookReceiver) -> None:
    """A second try has the id and the bytes of the first, and a signature with its own time."""
    receiver.answering = lambda _: Reply(500 if len(receiver.received) == 1 else 200)
    shown = sending.create(receiver.url)
    sending.upload("a")
    sending.run()
    sending.now += 5
    sending.make_due()
    sending.run()
    first, second = receiver.wait_for(2)
    assert first.body == second.body
    assert first.id == second.id
    assert first.fields["webhook-timestamp"] != second.fields["webhook-timestamp"]
    assert _is_signed(shown.secret, second)


def test_a_receiver_that_always_fails(sending: Sending, receiver: WebhookReceiver) -> None:
    """A delivery has ten tries, with the waits of the schedule, and then it has failed."""
    receiver.answering = lambda _: Reply(500, body=b"x" * 5000)
    shown = sending.create(receiver.url)
    sending.upload("a")
    waits = []
    for _ in range(TRIES + 2):
        sending.run()
        delivery = sending.deliveries(shown.endpoint.id)[0]
        if delivery.next_at is not None and delivery.tried_at is not None:
            waits.append((delivery.next_at - delivery.tried_at) / 1000)
        sending.make_due()
    assert len(receiver.received) == TRIES
    (delivery,) = sending.deliveries(shown.endpoint.id)
    assert (delivery.state, delivery.attempts) == ("failed", TRIES)
    assert delivery.answer == "x" * 1024
    wanted = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
    assert len(waits) == len(wanted)
    for wait, seconds in zip(waits, wanted, strict=True):
        # The receiver's own time counts, too.
        assert 0.9 * seconds <= wait <= 1.1 * seconds + 5
    assert sending.records.kept_jobs.jobs(tenant="demo", limit=5) == []
    assert sending.records.kept_jobs.jobs(tenant="demo", dead=True, limit=5) == []


@pytest.mark.parametrize(
    ("field", "least", "most"),
    [
        ("3600", 3600, 3700),
        ("999999999999", 86_400, 86_500),
        ("soon", 4.5, 11),
        ("Mon, 1 Jan 99999999999999999999 00:00:00 GMT", 4.5, 11),
    ],
)
def test_retry_after(
    sending: Sending, receiver: WebhookReceiver, field: str, least: float, most: float
) -> None:
    """A busy receiver may ask for a longer wait, of a day at most."""
    receiver.answering = lambda _: Reply(429, {"Retry-After": field})
    shown = sending.create(receiver.url)
    sending.upload("a")
    sending.run()
    (delivery,) = sending.deliveries(shown.endpoint.id)
    assert delivery.next_at is not None
    assert delivery.tried_at is not None
    assert least <= (delivery.next_at - delivery.tried_at) / 1000 <= most


def test_a_redirect(sending: Sending, receiver: WebhookReceiver) -> None:
    """A redirect is not followed: it is a failed try."""
    receiver.answering = lambda _: Reply(302, {"Location": f"http://{receiver.host}/other"})
    shown = sending.create(receiver.url)
    sending.upload("a")
    sending.run()
    assert [request.path for request in receiver.received] == ["/hook"]
    (delivery,) = sending.deliveries(shown.endpoint.id)
    assert (delivery.state, delivery.status) == ("open", 302)


def test_no_receiver(sending: Sending, receiver: WebhookReceiver) -> None:
    """Without a receiver the delivery keeps the reason, and is tried again."""
    shown = sending.create(receiver.url)
    receiver.server.server_close()
    receiver.server.shutdown()
    sending.upload("a")
    sending.run()
    (delivery,) = sending.deliveries(shown.endpoint.id)
    assert (delivery.state, delivery.status, delivery.attempts) == ("open", 0, 1)
    assert delivery.error


def test_an_address_that_is_not_permitted(sending: Sending, receiver: WebhookReceiver) -> None:
    """An endpoint whose address is no longer permitted gets no request."""
    shown = sending.create(receiver.url)
    sending.records.endpoints.change_endpoint(
        "demo", shown.endpoint.id, lambda known: _moved(known, "http://169.254.169.254/latest")
    )
    sending.upload("a")
    sending.run()
    (delivery,) = sending.deliveries(shown.endpoint.id)
    assert delivery.state == "open"
    assert delivery.error.startswith("Not allowed: ")
    assert receiver.received == []


def _moved(known: Endpoint, url: str) -> Endpoint:
    return msgspec.structs.replace(known, url=url)


def test_a_large_event(sending: Sending, receiver: WebhookReceiver) -> None:
    """An event above 256 KiB comes without metadata, and says so."""
    sending.create(receiver.url)
    sending.upload("a", metadata={str(number): "x" * 1000 for number in range(300)})
    sending.run()
    (request,) = receiver.wait_for(1)
    assert request.event["data"]["truncated"] is True
    assert "metadata" not in request.event["data"]["file"]
    assert len(request.body) < 10_000


def test_a_test(sending: Sending, receiver: WebhookReceiver) -> None:
    """A test is a signed event of its own type, and the log shows its result."""
    shown = sending.create(receiver.url)
    sending.catalog.test(caller(), shown.endpoint.id)
    sending.run()
    (request,) = receiver.wait_for(1)
    assert _is_signed(shown.secret, request)
    assert request.event["type"] == "dev.wharf.webhook.test"
    (delivery,) = sending.deliveries(shown.endpoint.id)
    assert (delivery.kind, delivery.state) == ("webhook.test", "done")


@pytest.mark.parametrize("state", ["suspended", "deleted", "unknown"])
def test_a_tenant_that_is_not_active(
    sending: Sending, receiver: WebhookReceiver, state: str
) -> None:
    """Events wait, without a counted try, while their tenant is not active but may be again."""
    shown = sending.create(receiver.url)
    sending.upload("a")
    sending.tenant_state = state
    sending.run()
    (delivery,) = sending.deliveries(shown.endpoint.id)
    assert (delivery.state, delivery.attempts) == ("open", 0)
    sending.tenant_state = "active"
    sending.make_due()
    sending.run()
    assert len(receiver.received) == 1


def test_a_purged_tenant(sending: Sending, receiver: WebhookReceiver) -> None:
    """A tenant that was deleted permanently gets no more deliveries."""
    shown = sending.create(receiver.url)
    sending.upload("a")
    sending.tenant_state = "purged"
    sending.run()
    (delivery,) = sending.deliveries(shown.endpoint.id)
    assert (delivery.state, delivery.error) == ("failed", "The tenant was deleted.")
    assert receiver.received == []


def test_a_deleted_endpoint(sending: Sending, receiver: WebhookReceiver) -> None:
    """An endpoint that is deleted gets no event that waited for it."""
    shown = sending.create(receiver.url)
    sending.upload("a")
    sending.records.fan_out.fan_out("demo", shown.endpoint.id)
    sending.catalog.delete(caller(), shown.endpoint.id)
    sending.run()
    assert receiver.received == []
    assert sending.records.kept_jobs.jobs(tenant="demo", limit=5) == []


def test_a_paused_endpoint(sending: Sending, receiver: WebhookReceiver) -> None:
    """A paused endpoint gets nothing, and all events when it continues."""
    shown = sending.create(receiver.url)
    sending.upload("1")
    sending.records.fan_out.fan_out("demo", shown.endpoint.id)
    sending.catalog.change(caller(), shown.endpoint.id, Change(paused=True))
    sending.upload("2")
    sending.run()
    assert receiver.received == []
    sending.catalog.change(caller(), shown.endpoint.id, Change(paused=False))
    sending.run()
    assert len(receiver.wait_for(2)) == 2


def test_an_event_that_was_forgotten(
    sending: Sending, receiver: WebhookReceiver, database: Database
) -> None:
    """An event that was deleted before its delivery ends the delivery as failed."""
    shown = sending.create(receiver.url)
    sending.upload("a")
    sending.records.fan_out.fan_out("demo", shown.endpoint.id)
    with database.transaction() as connection:
        connection.execute("DELETE FROM events WHERE tenant = 'demo'")
    sending.run()
    (delivery,) = sending.deliveries(shown.endpoint.id)
    assert delivery.state == "failed"
    assert delivery.error == "The event was deleted before it could be delivered."


def test_a_crash_after_the_answer(sending: Sending, receiver: WebhookReceiver) -> None:
    """A worker that dies after the answer delivers the event twice, with the same id."""
    shown = sending.create(receiver.url)
    sending.upload("a")
    sending.records.fan_out.fan_out("demo", shown.endpoint.id)
    sending.run_without_end()
    sending.run()
    first, second = receiver.wait_for(2)
    assert first.id == second.id
    assert first.body == second.body
    (delivery,) = sending.deliveries(shown.endpoint.id)
    assert (delivery.state, delivery.attempts) == ("done", 1)


def test_order(sending: Sending, receiver: WebhookReceiver) -> None:
    """An ordered endpoint gets the events in their order, also when tries fail."""
    receiver.answering = lambda _: Reply(500 if len(receiver.received) % 3 == 1 else 200)
    sending.create(receiver.url, ordered=True)
    sending.upload(*"123456")
    for _ in range(12):
        sending.run()
        sending.make_due()
    keys = [request.event["data"]["file"]["key"] for request in receiver.received]
    assert keys == sorted(keys)
    assert set(keys) == set("123456")


def test_a_replay(sending: Sending, receiver: WebhookReceiver) -> None:
    """A replay delivers events with the ids that they had before."""
    shown = sending.create(receiver.url)
    sending.upload("1", "2")
    sending.run()
    before = {request.id for request in receiver.wait_for(2)}
    receiver.received.clear()
    wanted = Replay(id="r", position=0, until=1 << 62)
    sending.catalog.replay(caller(), shown.endpoint.id, wanted)
    sending.run()
    assert {request.id for request in receiver.wait_for(2)} == before
    assert sending.catalog.find(caller(), shown.endpoint.id).replay is None
