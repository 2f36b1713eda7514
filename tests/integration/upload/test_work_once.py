"""Work that a request does only once: reading the row of its upload and building its intent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.servers.receiver import ReceiverClient, receiving
from tests.servers.upload import UploadService
from tests.servers.wharf.raw_http import until
from wharf_upload.database.uploads import SqlUploads
from wharf_upload.uploads.rules import UploadRules


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Return counts of the reads of upload rows (`get`) and of the built intents (`intent_of`)."""
    counted: Counter[str] = Counter()

    def count(holder: type, name: str) -> None:
        original = getattr(holder, name)

        def counting(*arguments: Any, **named: Any) -> Any:
            counted[name] += 1
            return original(*arguments, **named)

        monkeypatch.setattr(holder, name, counting)

    count(SqlUploads, "get")
    count(UploadRules, "intent_of")
    return counted


@pytest.fixture
def receiver(upload: UploadService) -> Iterator[ReceiverClient]:
    """Yield the stream server of a service."""
    with receiving(upload) as client:
        yield client


def test_a_row_is_read_once_before_the_bytes(receiver: ReceiverClient, calls: Counter[str]) -> None:
    """A request for an upload that no other request uses reads the upload's row once."""
    address = receiver.create(6)
    for offset, body in ((0, b"abc"), (3, b"def")):
        calls.clear()
        assert receiver.patch(address, offset, body).status == 204
        assert calls["get"] == 1
    calls.clear()
    assert receiver.offset(address) == 6
    assert calls["get"] == 1


def test_a_row_is_read_twice_when_another_request_had_it(
    receiver: ReceiverClient, calls: Counter[str]
) -> None:
    """A request that takes an upload over from another request reads the upload's row twice."""
    address = receiver.create(6)
    with receiver.begin(address, 0, 6) as older:
        older.sendall(b"abc")
        assert until(lambda: receiver.service.context.parts.size(address[-32:]) == 3)
        calls.clear()
        assert receiver.offset(address) == 3
    assert calls["get"] == 2


def test_a_large_put_builds_its_intent_once(upload: UploadService, calls: Counter[str]) -> None:
    """A large PUT builds its intent once, although it has an admission; so does a small PUT."""
    assert upload.put("large.bin", b"x" * 200_000, spooled=True).status_code == 201
    assert calls["intent_of"] == 1
    calls.clear()
    assert upload.put("small.bin", b"x").status_code == 201
    assert calls["intent_of"] == 1
