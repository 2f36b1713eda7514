"""Tests of how the responses of an object store are interpreted."""

from __future__ import annotations

import pytest

from servicekit.metric_buffers import MetricBuffer
from wharf_upload.storage.errors import BlobMissing, StoreError, StoreFull, StoreUnavailable
from wharf_upload.storage.s3 import errors, metrics, tries
from wharf_upload.storage.s3.errors import Failure
from wharf_upload.storage.s3.tries import Patience, tried


@pytest.mark.parametrize(
    ("status", "code", "kind", "outcome", "again"),
    [
        (404, "NoSuchKey", BlobMissing, "missing", False),
        (404, "", BlobMissing, "missing", False),
        (404, "NoSuchBucket", StoreUnavailable, "failed", False),
        (403, "", StoreUnavailable, "denied", False),
        (403, "SignatureDoesNotMatch", StoreUnavailable, "denied", False),
        (403, "RequestTimeTooSkewed", StoreUnavailable, "denied", False),
        (403, "QuotaExceeded", StoreFull, "failed", False),
        (507, "XMinioStorageFull", StoreFull, "failed", False),
        (301, "PermanentRedirect", StoreUnavailable, "failed", False),
        (503, "SlowDown", StoreUnavailable, "busy", True),
        (500, "InternalError", StoreUnavailable, "busy", True),
        (200, "InternalError", StoreUnavailable, "busy", True),
        (502, "", StoreUnavailable, "busy", True),
        (400, "BadDigest", StoreError, "failed", True),
        (400, "XAmzContentSHA256Mismatch", StoreError, "failed", True),
        (400, "InvalidArgument", StoreError, "failed", False),
    ],
)
def test_answers(
    status: int, code: str, kind: type[StoreError], outcome: str, *, again: bool
) -> None:
    """Each error response gives an error, a counted outcome, and whether to try again."""
    failure = errors.of_answer(status, code)
    assert type(failure.error) is kind
    assert (failure.outcome, failure.again, failure.code) == (outcome, again, code)
    assert failure.outcome in metrics.OUTCOMES


def test_the_code_of_an_answer() -> None:
    """The code is read from the XML of an error, and is empty for any other body."""
    body = b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code><Message>x</Message></Error>"
    assert errors.code_in(body) == "NoSuchKey"
    assert errors.code_in(b"<html>Bad Gateway</html>") == ""


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the pauses between tries, which take no time here."""
    taken: list[float] = []
    monkeypatch.setattr(tries, "_sleep", taken.append)
    return taken


def test_a_try_that_helps(pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that fails for a temporary reason is repeated, and each try is counted."""
    buffer = MetricBuffer()  # Nothing exports this buffer.
    monkeypatch.setattr(metrics, "requests", buffer)
    answers = iter([errors.broken_off(), errors.of_answer(503, "SlowDown"), "well"])
    assert tried("put", lambda: next(answers), Patience(1.0, 60.0)) == "well"
    assert [labels for labels, _ in buffer.drain()] == [
        ("put", "failed"),
        ("put", "busy"),
        ("put", "ok"),
    ]
    assert len(pauses) == 2


@pytest.mark.parametrize("failure", [errors.timed_out(), errors.of_answer(403, "")])
def test_tries_that_would_not_help(failure: Failure, pauses: list[float]) -> None:
    """A timeout or a refusal is not tried again, so a thread waits for one timeout only."""
    asked: list[None] = []

    def once() -> Failure:
        asked.append(None)
        return failure

    with pytest.raises(StoreUnavailable):
        tried("put", once, Patience(1.0, 60.0))
    assert len(asked) == 1
    assert pauses == []


def test_tries_end(pauses: list[float]) -> None:
    """A busy store is tried three times, or once if the time is over."""
    busy = errors.of_answer(503, "SlowDown")
    for patience, count in ((Patience(1.0, 60.0), 3), (Patience(1.0, 0.0), 1)):
        asked: list[None] = []

        def once(asked: list[None] = asked) -> Failure:
            asked.append(None)
            return busy

        with pytest.raises(StoreUnavailable):
            tried("put", once, patience)
        assert len(asked) == count
