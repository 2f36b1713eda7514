"""Tells the live channel how far uploads are: at most twice a second each, and at the end of a
request that brings bytes.

Nothing is kept and nothing waits. An upload that is done in half a second is told of by its event
alone; one that comes in many short requests is told of like one that comes in a long one.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from wharf_upload.notices.messages import Progress
from wharf_upload.uploads.resumable.values import UploadSession

PAUSE_SECONDS = 0.5
# Before more are remembered, those that may be told of again are forgotten; no more often than
# there can be some.
_REMEMBERED = 1000


class ProgressNotices:
    """What this process tells of all its uploads."""

    def __init__(
        self,
        tell: Callable[[Progress], None],
        now: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`tell` does not wait; `now` gives unix milliseconds, `clock` seconds."""
        self._tell, self._now, self.clock = tell, now, clock
        self._told: dict[str, float] = {}
        self._forgot_at = -PAUSE_SECONDS

    def of(self, session: UploadSession) -> SessionProgress:
        """Return what is told of a request; its bytes come from now on."""
        return SessionProgress(self, session, self.clock())

    def is_due(self, upload: str, created_at: int, now: float) -> bool:
        """Tell whether an upload may be told of, which was created at a time (unix ms)."""
        told = self._told.get(upload)
        if told is not None:
            return now - told >= PAUSE_SECONDS
        return self._now() - created_at >= 1000 * PAUSE_SECONDS

    def say(self, session: UploadSession, offset: int, rate: float, now: float) -> None:
        """Tell how far an upload is."""
        upload = session.upload
        if len(self._told) >= _REMEMBERED and now - self._forgot_at >= PAUSE_SECONDS:
            self._forgot_at = now
            # In a copy: other threads tell of other uploads.
            kept = {one: at for one, at in self._told.copy().items() if now - at < PAUSE_SECONDS}
            self._told = kept
        self._told[upload.id] = now
        self._tell(
            Progress(
                tenant=upload.tenant,
                owner=upload.subject,
                upload=upload.id,
                bucket=upload.bucket,
                key=upload.key,
                offset=offset,
                length=upload.length,
                rate=max(0, round(rate)),
            )
        )


class SessionProgress:
    """What is told of one request that brings bytes; first one thread uses it, then another."""

    def __init__(self, notices: ProgressNotices, session: UploadSession, now: float) -> None:
        self._notices, self._session = notices, session
        self._begun, self._begin = now, session.offset
        self._at, self._offset = now, session.offset

    def received(self, count: int) -> None:
        """Say how many bytes have come with the request; called several times a second."""
        now = self._notices.clock()
        upload = self._session.upload
        if self._notices.is_due(upload.id, upload.created_at, now):
            offset = self._begin + count
            rate = (offset - self._offset) / max(now - self._at, 1e-3)
            self._at, self._offset = now, offset
            self._notices.say(self._session, offset, rate, now)

    def ended(self, offset: int) -> None:
        """Say where the upload is when the request has ended; the rate is that of all of it."""
        now = self._notices.clock()
        upload, seconds = self._session.upload, now - self._begun
        if seconds >= PAUSE_SECONDS or self._notices.is_due(upload.id, upload.created_at, now):
            rate = (offset - self._begin) / max(seconds, 1e-3)
            self._at, self._offset = now, offset
            self._notices.say(self._session, offset, rate, now)

    def settled(self, offset: int) -> None:
        """Say so where the upload goes on from elsewhere than was said last."""
        if self._at > self._begun and offset != self._offset:
            self._notices.say(self._session, offset, 0.0, self._notices.clock())
