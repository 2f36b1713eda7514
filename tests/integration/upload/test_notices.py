"""Notices that a complete upload service sends, as a listener on the socket receives them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from tempfile import TemporaryDirectory

import msgspec
import pytest
from werkzeug.test import TestResponse

from tests.servers.notices import Listener
from tests.servers.receiver import receiving
from tests.servers.upload import TENANT, UploadService, form_body
from wharf_upload import bootstrap
from wharf_upload.notices.messages import Changed, Notice, Progress
from wharf_upload.streaming import event_loop
from wharf_upload.uploads.resumable import progress_notices

CHANGED = Changed(TENANT)


@pytest.fixture
def told(upload: UploadService) -> Iterator[UploadService]:
    """Yield a service whose sockets have short paths."""
    with TemporaryDirectory(prefix="notices-") as folder:
        yield upload.restarted(sockets=folder)


@pytest.fixture
def listener(told: UploadService) -> Iterator[Listener]:
    """Yield a listener that receives the service's notices from the beginning of the test."""
    with Listener(told.settings.notices_place) as heard:
        until = time.monotonic() + 20
        while not told.settings.notices_socket.exists():
            assert time.monotonic() < until
            time.sleep(0.01)
        yield heard


def event_kinds(service: UploadService) -> list[str]:
    return [event.kind for event in service.records.events(TENANT, 0, 100)]


def test_each_upload_is_told(told: UploadService, listener: Listener) -> None:
    """After each kind of upload and after a deletion, a notice with the tenant's name
    arrives when the event exists.
    """
    steps: tuple[Callable[[], TestResponse], ...] = (
        lambda: told.put("a", b"small"),
        lambda: told.put("b", b"large" * 1000, spooled=True),
        lambda: told.post_form(form_body([("c", b"form")])),
        lambda: told.request("DELETE", "/v1/files/default/a"),
    )
    for number, step in enumerate(steps, 1):
        assert step().status_code < 300
        assert listener.next() == CHANGED
        assert len(event_kinds(told)) == number


def test_a_refusal_is_not_told(told: UploadService, listener: Listener) -> None:
    """A refused request sends no notice, so the next notice belongs to the next event."""
    assert told.put("../x", b"small").status_code == 400
    assert told.request("DELETE", "/v1/files/default/absent").status_code == 404
    assert dataclasses.replace(told, tenant="other").put("a", b"small").status_code == 201
    assert listener.next() == Changed("other")


def test_the_workers_events_are_told(told: UploadService, listener: Listener) -> None:
    """The process that sweeps an expired file sends a notice of its event."""
    assert told.put("a", b"small").status_code == 201
    assert listener.next() == CHANGED
    file = told.records.file(TENANT, "default", "a")
    assert file is not None
    told.records.change(file, lambda f: msgspec.structs.replace(f, expires_at=1), None)
    assert listener.next() == CHANGED
    records = bootstrap.open_records(told.settings, told.store)
    bootstrap.sweeper(
        told.settings, bootstrap.open_backends(told.settings, told.store, records)
    ).run()
    assert listener.next() == CHANGED
    assert event_kinds(told) == ["file.created", "file.changed", "file.expired"]
    records.database.close()


def test_a_resumable_upload_is_followed(
    told: UploadService, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream server sends notices of a resumable upload's progress, and then a
    notice of its file.
    """
    monkeypatch.setattr(progress_notices, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(event_loop, "_TELL_SECONDS", 0.0)
    content = b"x" * 300_000
    with receiving(told) as receiver:
        address = receiver.create(len(content))
        identifier = address.rpartition("/")[2]
        with receiver.begin(address, 0, len(content)) as connection:
            for end in (100_000, 200_000, 300_000):
                connection.sendall(content[end - 100_000 : end])
                told_of = until(listener, end)
                assert (told_of.upload, told_of.length) == (identifier, 300_000)
                assert (told_of.tenant, told_of.bucket, told_of.key) == (
                    TENANT,
                    "default",
                    "tus.bin",
                )
                assert told_of.owner == receiver.service.issuer.claims()["sub"]
            assert connection.recv(4096).split()[1] == b"204"
        rest = listener.until(CHANGED)
    assert {one.offset for one in rest if isinstance(one, Progress)} <= {300_000}


def until(listener: Listener, offset: int) -> Progress:
    """Return the first progress notice with this offset, and assert that offsets never decrease."""
    last = 0
    while True:
        notice: Notice = listener.next()
        assert isinstance(notice, Progress)
        assert notice.offset >= last
        last = notice.offset
        if last == offset:
            return notice
