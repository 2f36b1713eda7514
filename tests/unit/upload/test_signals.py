"""Tests of signals: what receivers are called with, and that they can break nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from blinker import NamedSignal

from servicekit.settings import SettingsError
from tests.servers.upload import UploadService, form_body, new_file
from wharf_upload import signals
from wharf_upload.domain.clock import now_milliseconds
from wharf_upload.domain.file_writes import Write

Told = list[tuple[str, str, dict[str, Any]]]
ALL = (signals.accepted, signals.rejected, signals.changed, signals.deleted, signals.expired)


@pytest.fixture
def told() -> Iterator[Told]:
    """Return the calls of receivers, in order: signal, sender and arguments."""
    heard: Told = []

    def receiver(signal: NamedSignal) -> Any:
        return lambda sender, **arguments: heard.append((signal.name, sender, arguments))

    receivers = [(signal, receiver(signal)) for signal in ALL]
    for signal, one in receivers:
        signal.connect(one)
    yield heard
    for signal, one in receivers:
        signal.disconnect(one)


def test_the_life_of_a_file(upload: UploadService, told: Told) -> None:
    """Storing, replacing and deleting a file each send one signal, with tenant and file."""
    upload.put("a", b"1")
    upload.put("a", b"22", spooled=True)
    upload.request("DELETE", "/v1/files/default/a")
    names = [(name, sender, arguments["file"].size) for name, sender, arguments in told]
    assert names == [("accepted", "demo", 1), ("accepted", "demo", 2), ("deleted", "demo", 2)]
    assert [told[0][2]["replaced"], told[1][2]["replaced"]] == [False, True]


def test_moves_and_renames_are_told(upload: UploadService, told: Told) -> None:
    """A move sends a signal with the file's new address and unchanged id."""
    upload.put("a", b"1")
    places = {"from": {"bucket": "default", "key": "a"}, "to": {"bucket": "default", "key": "b"}}
    sent = {"Content-Type": "application/json"}
    upload.request("POST", "/v1/copies", json.dumps({**places, "move": True}).encode(), sent)
    upload.request("PATCH", "/v1/metadata/default/b", b'{"key": "c"}', sent)
    files = [(name, arguments["file"].key, arguments["file"].id) for name, _, arguments in told]
    first = files[0][2]
    assert files == [("accepted", "a", first), ("changed", "b", first), ("changed", "c", first)]


def test_each_file_of_a_form_is_told(upload: UploadService, told: Told) -> None:
    """A form of two files sends two signals."""
    upload.post_form(form_body([("a", b"1"), ("b", b"2")]))
    assert [(name, arguments["file"].key) for name, _, arguments in told] == [
        ("accepted", "a"),
        ("accepted", "b"),
    ]


def test_a_repetition_is_not_told(upload: UploadService, told: Told) -> None:
    """A replayed request sends no signal."""
    for _ in range(2):
        upload.put("a", b"1", {"Idempotency-Key": "one"})
    assert len(told) == 1


@pytest.mark.parametrize("spooled", [False, True])
def test_a_refused_upload(upload: UploadService, told: Told, *, spooled: bool) -> None:
    """A refused upload sends one signal with the problem's slug, the status and the path."""
    upload.put("a", b"1", {"Content-Encoding": "gzip"}, spooled=spooled)
    told_of = {
        "slug": "content-encoding",
        "status": 415,
        "subject": "client-1",
        "path": "/v1/files/default/a",
    }
    assert told == [("rejected", "demo", told_of)]


def test_an_unknown_sender_is_empty(upload: UploadService, told: Told) -> None:
    """The signal of an upload without a valid token has an empty sender."""
    upload.put("a", b"1", {"Authorization": "Bearer bad"})
    assert [(name, sender, arguments["slug"]) for name, sender, arguments in told] == [
        ("rejected", "", "token-malformed")
    ]


def test_refused_downloads_are_not_told(upload: UploadService, told: Told) -> None:
    """A refused download sends no signal."""
    upload.request("GET", "/v1/files/default/absent")
    assert told == []


def test_expiry_is_told_when_it_is_swept(upload: UploadService, told: Told) -> None:
    """An expired file sends a signal when the sweeper removes it."""
    file = new_file("old", expires_at=now_milliseconds() - 1)
    upload.records.write(Write(files=(file,)))
    told.clear()
    upload.sweep()
    assert told == [("expired", "demo", {"file": file})]


def test_a_failing_receiver_harms_nobody(
    upload: UploadService, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    """An error of a receiver is logged, the upload is stored, and other receivers are called."""

    def failing(_: str, **__: Any) -> None:
        raise ZeroDivisionError("receiver")

    signals.accepted.connect(failing)
    try:
        assert upload.put("a", b"1").status_code == 201
    finally:
        signals.accepted.disconnect(failing)
    assert len(told) == 1
    assert "a receiver of the signal 'accepted' failed" in caplog.text


def test_receivers_of_one_tenant(upload: UploadService) -> None:
    """A receiver that is connected to a tenant gets only that tenant's signals."""
    heard: list[str] = []

    def receiver(sender: str, **_: Any) -> None:
        heard.append(sender)

    signals.accepted.connect(receiver, sender="demo")
    upload.put("a", b"1")
    upload.tenant = "other"
    upload.put("a", b"1")
    assert heard == ["demo"]


def test_the_file_is_there_when_it_is_told(upload: UploadService) -> None:
    """A signal is sent after the commit, so that a receiver can read the file."""
    found: list[object] = []

    def receiver(sender: str, *, file: Any, **_: Any) -> None:
        found.append(upload.records.file(sender, file.bucket, file.key))

    signals.accepted.connect(receiver)
    upload.put("a", b"1")
    assert len(found) == 1
    assert found[0] is not None


def test_modules_of_receivers_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A named module of receivers is imported, and the error about a missing one names it."""
    (tmp_path / "wharf_test_receivers.py").write_text("LOADED = True\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    signals.load(("wharf_test_receivers",))
    assert sys.modules["wharf_test_receivers"].LOADED
    with pytest.raises(SettingsError, match="WHARF_RECEIVERS: wharf_absent"):
        signals.load(("wharf_absent",))
