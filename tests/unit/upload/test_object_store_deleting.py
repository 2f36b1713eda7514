"""Tests of deletion on object stores that delete one key per request, or refuse some keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from wharf_upload.storage.errors import BlobMissing, StoreUnavailable
from wharf_upload.storage.s3 import errors
from wharf_upload.storage.s3.client import Client
from wharf_upload.storage.s3.deleting import Deletions
from wharf_upload.storage.s3.tries import ErrorCode
from wharf_upload.storage.s3.wire import Wire


class FakeClient:
    """A client whose store gives the same response to each deletion of many objects."""

    bucket = "bucket"

    def __init__(self, answer: Callable[[], dict[str, Any]]) -> None:
        self._answer = answer
        self.asked = 0

    def ask(self, operation: str, request: object, *, passing: tuple[str, ...] = ()) -> object:
        """Count the request and return the response."""
        self.asked += 1
        return self._answer()


class FakeWire:
    """A store that deletes single objects; some are missing, and some cannot be deleted."""

    def __init__(self, *, missing: tuple[str, ...] = (), stay: tuple[str, ...] = ()) -> None:
        self.deleted: list[str] = []
        self._missing, self._stay = missing, stay

    def send(self, operation: str, method: str, key: str, **_: object) -> None:
        """Delete one object, or raise its error."""
        if key in self._missing:
            raise BlobMissing("no such blob")
        if key in self._stay:
            raise StoreUnavailable("busy")
        self.deleted.append(key)


def deletions(client: FakeClient, wire: FakeWire) -> Deletions:
    return Deletions(cast("Wire", wire), cast("Client", client))


def refusing(code: str) -> Callable[[], dict[str, Any]]:
    """Return a response that refuses a deletion of many objects with this code."""

    def answer() -> dict[str, Any]:
        raise ErrorCode(errors.of_answer(501, code))

    return answer


@pytest.mark.parametrize("code", ["MissingContentMD5", "NotImplemented", "501"])
def test_one_by_one(code: str) -> None:
    """After the store refuses a deletion of many objects, the service deletes them one by one.

    Objects that stay are returned, and missing objects count as deleted.
    """
    client, wire = FakeClient(refusing(code)), FakeWire(missing=("b",), stay=("c",))
    both = deletions(client, wire)
    assert both.delete_all(["a", "b", "c", "d"]) == ["c"]
    assert wire.deleted == ["a", "d"]
    assert both.delete_all(["e"]) == []
    assert client.asked == 1


def test_some_stay() -> None:
    """A deletion of many objects returns those that stay; a missing object counts as deleted."""
    told = {"Errors": [{"Key": "b", "Code": "AccessDenied"}, {"Key": "c", "Code": "NoSuchKey"}]}
    wire = FakeWire()
    assert deletions(FakeClient(lambda: told), wire).delete_all(["a", "b", "c"]) == ["b"]
    assert wire.deleted == []


def test_a_store_that_is_down() -> None:
    """A store that does not respond keeps all objects, and gets no single deletions."""

    def down() -> dict[str, Any]:
        raise StoreUnavailable("down")

    wire = FakeWire()
    assert deletions(FakeClient(down), wire).delete_all(["a", "b"]) == ["a", "b"]
    assert wire.deleted == []
