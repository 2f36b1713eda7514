"""Notices to the live channel about the progress of uploads.

Each upload causes at most two notices a second, and one more at the end of a request that takes
half a second or longer. Notices are not stored, and no request waits for them. An upload that ends
within half a second causes no notice: the event of its file is enough. Many short requests cause
the same notices as one long request.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from wharf_upload.notices.messages import Progress
from wharf_upload.uploads.resumable.values import UploadSession

PAUSE_SECONDS = 0.5
# Above this number, entries older than `PAUSE_SECONDS` are deleted; this happens at most once in
# `PAUSE_SECONDS`.
_REMEMBERED = 1000


class ProgressNotices:
    """The notices of this process about all its uploads."""

    def __init__(
        self,
        tell: Callable[[Progress], None],
        now: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create the notices.

        `tell` sends a notice and does not wait; `now` returns unix milliseconds, `clock` seconds.
        """
        self._tell, self._now, self.clock = tell, now, clock
        self._told: dict[str, float] = {}
        self._forgot_at = -PAUSE_SECONDS

    def of(self, session: UploadSession) -> SessionProgress:
        """Return the notices of a request, right before its first bytes arrive."""
        return SessionProgress(self, session, self.clock())

    def is_due(self, upload: str, created_at: int, now: float) -> bool:
        """Tell whether the next notice of an upload is due; `created_at` is unix milliseconds."""
        told = self._told.get(upload)
        if told is not None:
            return now - told >= PAUSE_SECONDS
        return self._now() - created_at >= 1000 * PAUSE_SECONDS

    def say(self, session: UploadSession, offset: int, rate: float, now: float) -> None:
        """Send a notice with the offset of an upload."""
        upload = session.upload
        if len(self._told) >= _REMEMBERED and now - self._forgot_at >= PAUSE_SECONDS:
            self._forgot_at = now
            # A copy, because other threads add entries at the same time.
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
    """The notices of one request that sends bytes; only one thread uses them at a time."""

    def __init__(self, notices: ProgressNotices, session: UploadSession, now: float) -> None:
        self._notices, self._session = notices, session
        self._begun, self._begin = now, session.offset
        self._at, self._offset = now, session.offset

    def received(self, count: int) -> None:
        """Note that `count` bytes of the request have arrived; called several times a second."""
        now = self._notices.clock()
        upload = self._session.upload
        if self._notices.is_due(upload.id, upload.created_at, now):
            offset = self._begin + count
            rate = (offset - self._offset) / max(now - self._at, 1e-3)
            self._at, self._offset = now, offset
            self._notices.say(self._session, offset, rate, now)

    def ended(self, offset: int) -> None:
        """Send the offset at the end of the request, with the average rate of the request."""
        now = self._notices.clock()
        upload, seconds = self._session.upload, now - self._begun
        if seconds >= PAUSE_SECONDS or self._notices.is_due(upload.id, upload.created_at, now):
            rate = (offset - self._begin) / max(seconds, 1e-3)
            self._at, self._offset = now, offset
            self._notices.say(self._session, offset, rate, now)

    def settled(self, offset: int) -> None:
        """Send a notice if the upload continues at another offset than the last notice states."""
        if self._at > self._begun and offset != self._offset:
            self._notices.say(self._session, offset, 0.0, self._notices.clock())
