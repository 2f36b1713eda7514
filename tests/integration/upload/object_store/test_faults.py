"""An object store that fails: a refused upload is not visible, and a sweep removes its objects."""

from __future__ import annotations

import pytest

from tests.servers.faulty_store import (
    Fault,
    Reply,
    answer,
    cut,
    cut_before,
    flip,
    late,
    silent,
    swallow,
)
from tests.servers.upload_on_s3 import WAYS, OnS3, waiting

UNAVAILABLE = (503, "unavailable")
FAILED = (500, "storage-failed")
BUSY = answer(503, "SlowDown")
LOST = answer(404, "NoSuchUpload")
WRONG = answer(200, "InternalError")
OPERATIONS = [
    ("small", "put"),
    ("form", "put"),
    ("large", "create_multipart"),
    ("large", "upload_part"),
    ("large", "complete_multipart"),
]


@pytest.mark.parametrize("way", WAYS)
def test_down(scene: OnS3, way: str) -> None:
    """A store that refuses connections leads to 503. Once the store is up,
    the service stores files.
    """
    with scene.proxy.down():
        assert scene.answer(way) == UNAVAILABLE
    scene.assert_nothing()
    assert scene.answer(way) == (201, "")
    scene.assert_files(way)


@pytest.mark.parametrize(("way", "operation"), OPERATIONS)
def test_always(scene: OnS3, way: str, operation: str) -> None:
    """An operation that always fails leads to 503, no visible file, and no object after a sweep."""
    for fault in (BUSY, silent, cut_before):
        scene.proxy.order(operation, last=fault)
        with waiting(0.4):
            assert scene.answer(way) == UNAVAILABLE
        scene.proxy.heal()
        scene.assert_nothing()
    assert scene.answer(way) == (201, "")
    scene.assert_files(way)


@pytest.mark.parametrize(("way", "operation"), OPERATIONS)
def test_once(scene: OnS3, way: str, operation: str) -> None:
    """An operation that fails once is repeated and stores the file once.

    This holds even if the store performed the operation before it failed.
    """
    for fault in (BUSY, cut_before, cut, late(0.4)):
        scene.proxy.order(operation, fault)
        assert scene.answer(way) == (201, "")
        scene.assert_files(way)
        scene.delete(way)
    scene.assert_nothing()


@pytest.mark.parametrize("way", ["small", "spooled"])
def test_lost_answer(scene: OnS3, way: str) -> None:
    """A store that stores an object but never responds leads to 503, and a sweep
    removes the object.
    """
    scene.proxy.order("put", last=swallow)
    with waiting(0.4):
        assert scene.answer(way) == UNAVAILABLE
    assert scene.keys()
    scene.assert_nothing()


@pytest.mark.parametrize(
    ("way", "operation"),
    [(way, "put") for way in ("small", "spooled", "form")] + [("large", "upload_part")],
)
def test_changed_bytes(scene: OnS3, way: str, operation: str) -> None:
    """If a bit changes on the way, no object is made. A repeated request stores the file intact."""
    scene.proxy.order(operation, last=flip)
    assert scene.answer(way) == FAILED
    assert scene.keys() == []
    scene.assert_nothing()
    scene.proxy.order(operation, flip)
    assert scene.answer(way) == (201, "")
    scene.assert_files(way)


@pytest.mark.parametrize("first", [swallow, cut], ids=["silent", "cut"])
def test_complete_is_done_but_not_answered(scene: OnS3, first: Fault) -> None:
    """An upload succeeds if a repeated CompleteMultipartUpload gets `NoSuchUpload`
    and the object exists.
    """
    scene.proxy.order("complete_multipart", first, last=LOST)
    assert scene.answer("large") == (201, "")
    assert scene.proxy.seen.count("complete_multipart") == 2
    scene.assert_files("large")


def test_complete_without_parts(scene: OnS3) -> None:
    """An upload fails if CompleteMultipartUpload gets `NoSuchUpload` and no object exists."""
    scene.proxy.order("complete_multipart", last=LOST)
    status, slug = scene.answer("large")
    assert (status, slug) in {UNAVAILABLE, FAILED}
    scene.assert_nothing()


def test_error_in_a_success(scene: OnS3) -> None:
    """A CompleteMultipartUpload whose response 200 contains an error is repeated.

    If it always fails, the client gets 503.
    """
    scene.proxy.order("complete_multipart", WRONG)
    assert scene.answer("large") == (201, "")
    scene.assert_files("large")
    scene.delete("large")
    scene.proxy.order("complete_multipart", last=WRONG)
    assert scene.answer("large") == UNAVAILABLE
    scene.proxy.heal()
    scene.assert_nothing()


def test_object_of_another_size(scene: OnS3) -> None:
    """An upload fails if the object has another size,
    even when CompleteMultipartUpload succeeds.
    """
    scene.proxy.order("head", last=lambda exchange: Reply(200, [("Content-Length", "1")]))
    assert scene.answer("large") == FAILED
    scene.proxy.heal()
    scene.assert_nothing()
