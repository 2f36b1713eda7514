"""Responses to the gateway, for each result of the sandbox and of the socket for blobs."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field

import pytest

from tests.servers.image_files import LOCATION
from wharf_images.blobs import BlobGone, BlobsUnavailable
from wharf_images.formats import NoPicture
from wharf_images.maker import Answer, Maker, self_test
from wharf_images.sandbox.client import Ended, ZygoteGone

WEBP = b"RIFF\x0c\0\0\0WEBPVP8 \0\0\0\0"


@dataclass
class FakeBlobs:
    """A source of blobs that returns an empty file or raises an error."""

    error: Exception | None = None
    given: list[int] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def fetch(self, location: str, signed: str) -> int:
        """Return a descriptor of an empty memory file."""
        self.asked.append((location, signed))
        if self.error:
            raise self.error
        self.given.append(os.memfd_create(location.replace("/", "-")))
        return self.given[-1]


@dataclass
class FakeSandbox:
    """A simulated sandbox. The test sets its result."""

    end: Ended | Exception

    def run(self, blob: int, number: int) -> Ended:
        """Return the result, or raise it if it is an error."""
        if isinstance(self.end, Exception):
            raise self.end
        return self.end


def answer(end: Ended | Exception, error: Exception | None = None) -> Answer:
    """Return the response of a maker with these parts, and check that each descriptor is closed."""
    blobs = FakeBlobs(error)
    found = Maker(blobs, FakeSandbox(end), lambda how: None).answer(LOCATION, 64)
    for descriptor in blobs.given:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)
    return found


def test_the_signed_address_goes_along() -> None:
    """The maker requests the blob with the signed address that the gateway sent."""
    blobs = FakeBlobs()
    maker = Maker(blobs, FakeSandbox(Ended("done", b"P" + WEBP)), lambda how: None)
    assert maker.answer(LOCATION, 64, "/bucket/blob?signed").status == 200
    assert maker.answer(LOCATION, 64).status == 200
    assert blobs.asked == [(LOCATION, "/bucket/blob?signed"), (LOCATION, "")]


def test_a_picture_is_kept_for_a_month() -> None:
    """A small picture is WebP, and nginx may cache it for a month."""
    found = answer(Ended("done", b"P" + WEBP))
    assert (found.status, found.body, found.outcome) == (200, WEBP, "made")
    assert dict(found.headers) == {
        "Content-Type": "image/webp",
        "X-Accel-Expires": "2592000",
    }


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (Ended("done", b"Nbroken OSError: truncated"), "broken"),
        (Ended("done", b"Ntoo-large 50000 x 50000 pixels"), "too-large"),
        (Ended("done", b"Nunknown "), "unknown"),
        (Ended("done", b"Nmade \xff\x1b[31m"), "broken"),
        (Ended("done", b""), "broken"),
        (Ended("done", b"P"), "broken"),
        (Ended("done", b"P<script>alert(1)</script>"), "broken"),
        (Ended("done", b"P" + WEBP + b"more"), "broken"),
        (Ended("done", WEBP), "broken"),
        (Ended("cpu"), "too-slow"),
        (Ended("crash", b"P" + WEBP), "broken"),
        (Ended("refused-call", b"P" + WEBP), "broken"),
        (Ended("output", b"P" + bytes(2_000_000)), "broken"),
        (Ended("file-size"), "broken"),
    ],
)
def test_a_file_that_is_to_blame_has_no_picture_for_an_hour(end: Ended, reason: str) -> None:
    """A file that makes the sandbox fail gets an empty 404, which nginx caches for an hour."""
    found = answer(end)
    assert (found.status, found.body, found.outcome) == (404, b"", "no-preview")
    assert found.reason == reason
    assert found.headers == (("X-Accel-Expires", "3600"),)


@pytest.mark.parametrize(
    ("end", "error", "outcome"),
    [
        (Ended("time"), None, "failed"),
        (Ended("killed"), None, "failed"),
        (Ended("unconfined", b"no Landlock"), None, "failed"),
        (ZygoteGone("twice"), None, "failed"),
        (OSError(24, "too many open files"), None, "failed"),
        (Ended("done"), BlobsUnavailable("502"), "failed"),
        (Ended("done"), RuntimeError("a mistake of ours"), "failed"),
    ],
)
def test_what_may_pass_is_tried_again(
    end: Ended | Exception, error: Exception | None, outcome: str
) -> None:
    """A temporary failure gets 503 with `Retry-After: 1`, never 500, and is not cached."""
    found = answer(end, error)
    assert (found.status, found.outcome) == (503, outcome)
    assert found.headers == (("Retry-After", "1"),)


@pytest.mark.parametrize(
    ("error", "reason"), [(BlobGone(), "gone"), (NoPicture("unknown"), "unknown")]
)
def test_what_the_bytes_say(error: Exception, reason: str) -> None:
    """A deleted blob, or a blob of no known format, gets 404, and no sandbox starts."""
    found = answer(Ended("crash"), error)
    assert (found.status, found.outcome, found.reason) == (404, "no-preview", reason)


def test_what_a_process_says_is_harmless_in_a_log(caplog: pytest.LogCaptureFixture) -> None:
    """The log line about the output of a process is short and has no control character."""
    with caplog.at_level(logging.INFO):
        answer(Ended("done", b"Nbroken \x1b]0;x\x07" + b"y" * 1000))
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.isprintable()
    assert len(line) < 400


def test_an_attack_is_logged_as_an_error(caplog: pytest.LogCaptureFixture) -> None:
    """A refused system call is logged as an error with the blob's location."""
    answer(Ended("refused-call"))
    assert any(one.levelname == "ERROR" and LOCATION in one.getMessage() for one in caplog.records)


def test_the_self_test_says_what_is_wrong() -> None:
    """The self-test returns None if it gets a small picture, and otherwise the error's text."""
    assert self_test(FakeSandbox(Ended("done", b"P" + WEBP)), b"BM") is None
    for end in (Ended("unconfined", b"no rights"), Ended("done", b"P"), ZygoteGone("away")):
        assert "no picture can be made" in (self_test(FakeSandbox(end), b"BM") or "")
