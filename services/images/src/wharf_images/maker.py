"""The maker of pictures: fetches the file, runs the sandbox and checks its result."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from wharf_images.blobs import BlobGone, BlobsUnavailable
from wharf_images.formats import NoPicture, is_webp
from wharf_images.sandbox.client import Ended, ZygoteGone

log = logging.getLogger(__name__)

# How long nginx caches a picture, and the response for a file without a picture.
_MADE_SECONDS, _NONE_SECONDS = 30 * 24 * 3600, 3600
# If a child ends in one of these ways, the file is the cause, so it has no picture. Other ways may
# have other causes.
_BLAMED = {
    "cpu": "too-slow",
    "crash": "broken",
    "refused-call": "broken",
    "output": "broken",
    "file-size": "broken",
}
_SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """A response to the gateway; `outcome` and `reason` are labels of the metrics."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    outcome: str = ""
    reason: str = ""


BUSY = Answer(503, (("Retry-After", "1"),), outcome="busy")


class Bytes(Protocol):
    """The source of files (`blobs.Blobs`)."""

    def fetch(self, location: str, signed: str) -> int:
        """Return a descriptor of the bytes, which the caller must close."""


class Runner(Protocol):
    """The sandbox (`sandbox.client.Sandbox`)."""

    def run(self, blob: int, number: int) -> Ended:
        """Let a child make a picture of width `number`; return how the child ended."""


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes pictures; for each child, calls `ended` with the way in which the child ended."""

    blobs: Bytes
    sandbox: Runner
    ended: Callable[[str], object]

    def answer(self, location: str, width: int, signed: str = "") -> Answer:
        """Return the response for a blob: a picture, 404 without a picture, 503 for a retry.

        `signed` is the blob's presigned address at an object store, empty without one.
        """
        try:
            return _picture(self.make(location, width, signed))
        except NoPicture as none:
            log.info("no picture of %s: %s %s", location, none.reason, none.detail)
            return _none(none.reason)
        except BlobGone:
            return _none("gone")
        except BlobsUnavailable as error:
            log.warning("the bytes of %s cannot be fetched: %s", location, error)
            return _later()
        except (MakingFailed, ZygoteGone) as error:
            log.warning("no picture of %s now: %s", location, error)
            return _later()
        except Exception:
            log.exception("no picture of %s now", location)
            return _later()

    def make(self, location: str, width: int, signed: str = "") -> bytes:
        """Return a picture as WebP.

        Raises:
            NoPicture: the file has no picture.
            BlobGone, BlobsUnavailable: the bytes cannot be fetched.
            MakingFailed, ZygoteGone: the service or the machine failed.
        """
        descriptor = self.blobs.fetch(location, signed)
        try:
            ended = self.sandbox.run(descriptor, width)
        finally:
            os.close(descriptor)
        self.ended(ended.how)
        return self._judged(ended, location)

    @staticmethod
    def _judged(ended: Ended, location: str) -> bytes:
        """Return the picture from a child's result, which is checked because it is not trusted."""
        kind, content = ended.result[:1], ended.result[1:]
        if ended.how == "done" and kind == b"P" and is_webp(content):
            return content
        if ended.how == "done" and kind == b"N":
            reason, _, detail = _shown(content).partition(" ")
            known = reason if reason in {"unknown", "too-large"} else "broken"
            raise NoPicture(known, detail)
        if ended.how in {"refused-call", "done"}:
            # A refused call may be an attack, or a decoder that needs a system call that is not
            # allowed.
            log.error(
                "the process for the picture of %s made a refused call or wrote an invalid result: "
                "%s",
                location,
                ended.how,
            )
            raise NoPicture("broken", ended.how)
        if ended.how in _BLAMED:
            raise NoPicture(_BLAMED[ended.how], ended.how)
        raise MakingFailed(f"{ended.how} {_shown(ended.result)}")


class MakingFailed(Exception):
    """The picture was not made because of the machine or the service, not the file."""


def self_test(sandbox: Runner, picture: bytes) -> str | None:
    """Make a tiny picture in the sandbox; return the error, `None` on success."""
    descriptor = os.memfd_create("self-test", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, picture)
        ended = sandbox.run(descriptor, 64)
    except (OSError, ZygoteGone) as error:
        return f"no picture can be made: {error}"
    finally:
        os.close(descriptor)
    if ended.how == "done" and ended.result[:1] == b"P" and is_webp(ended.result[1:]):
        return None
    return f"no picture can be made: {ended.how} {_shown(ended.result)}"


def _picture(content: bytes) -> Answer:
    fields = (("Content-Type", "image/webp"), ("X-Accel-Expires", str(_MADE_SECONDS)))
    return Answer(200, fields, content, "made")


def _none(reason: str) -> Answer:
    fields = (("X-Accel-Expires", str(_NONE_SECONDS)),)
    return Answer(404, fields, outcome="no-preview", reason=reason)


def _later() -> Answer:
    return Answer(503, (("Retry-After", "1"),), outcome="failed")


def _shown(content: bytes) -> str:
    """Return a child's text in printable characters, for a log."""
    text = content[:_SHOWN_CHARACTERS].decode("ascii", "replace")
    return "".join(one if one.isprintable() else "?" for one in text)
