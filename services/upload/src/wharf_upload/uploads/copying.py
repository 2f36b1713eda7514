"""The copying of ranges of a spooled form into blobs, in the kernel, parallel to its parsing."""

from __future__ import annotations

import threading
from queue import SimpleQueue

from wharf_upload.storage.base import BlobWriter
from wharf_upload.storage.spool_file import SpoolFile

# Below this size a thread costs more time than it saves.
_INLINE_BYTES = 4 << 20


class Copier:
    """The copies of one form; a thread copies large files while the parser reads on."""

    def __init__(self, spool: SpoolFile) -> None:
        self._spool = spool
        self._jobs: SimpleQueue[tuple[BlobWriter, int, int] | None] | None = None
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def copy(self, writer: BlobWriter, offset: int, length: int) -> None:
        """Copy a range (bytes) now, or queue it for the thread; `drain` raises its errors."""
        if self._jobs is None and writer.size() + length < _INLINE_BYTES:
            writer.copy_range(self._spool, offset, length)
            return
        if self._jobs is None:
            self._jobs = SimpleQueue()
            self._thread = threading.Thread(target=self._work, args=(self._jobs,), daemon=True)
            self._thread.start()
        self._jobs.put((writer, offset, length))

    def _work(self, jobs: SimpleQueue[tuple[BlobWriter, int, int] | None]) -> None:
        while (job := jobs.get()) is not None:
            if self._error is None:
                writer, offset, length = job
                try:
                    writer.copy_range(self._spool, offset, length)
                except BaseException as error:  # noqa: BLE001 -- handed to the thread that asked
                    self._error = error

    def drain(self) -> None:
        """Wait until all queued ranges are copied; raise the first error."""
        if self._jobs is None or self._thread is None:
            return
        self._jobs.put(None)
        self._thread.join()
        self._jobs = self._thread = None
        if self._error is not None:
            raise self._error
