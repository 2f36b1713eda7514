"""The move of blobs from an old store to a new one while Wharf runs: `wharf-upload move-blobs`.

The move keeps no journal: the blobs in the old store are those that must still move, so a new run
continues the work of a killed run. The mover copies each blob, and compares the digest of the bytes
with the digest in the row. After a grace period the mover checks that the new store has the blob,
and removes it from the old store.

All processes read both stores, the disk first. The grace period is for readers that have not found
the blob on the disk, and have not tried the object store yet.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum

from wharf_upload.database.contract import BlobRecords, SharedLease, SharedLeases
from wharf_upload.domain.files import BlobContent
from wharf_upload.maintenance.blobs_left import batches
from wharf_upload.maintenance.pace import Pace
from wharf_upload.maintenance.patience import PAUSES, Patience
from wharf_upload.storage.base import (
    BlobMissing,
    BlobName,
    BlobReader,
    BlobStore,
    PendingBlob,
    StoreError,
    as_spool_file,
)

log = logging.getLogger(__name__)
_BLOCK_BYTES = 1 << 20
# A limit on the memory for batches in their grace period.
_MOST_WAITING = 1000
# More passes are needed only while a process still stores new blobs in the old place.
_PASSES = 10
_LEASE = "move-blobs"
# Longer than the time for which the lease of a killed run stays valid.
_LEASE_WAIT_SECONDS = 15.0
# If a batch has at least this many blobs and all are unreadable, the store itself has failed.
_UNREADABLE = 20


class AlreadyMovingError(Exception):
    """Another run is moving blobs."""


class _UnreadableError(StoreError):
    """The old store has the blob, but cannot read it."""


class _StoppedError(Exception):
    """The run ends, so its threads must also end."""


@dataclass
class Moved:
    """The results of a run so far; `faults` has a line with the reason for each blob that stays."""

    copied_files: int = 0
    copied_bytes: int = 0
    removed_files: int = 0
    faults: list[str] = field(default_factory=list)


class _End(Enum):
    """The result of copying one blob."""

    DONE = "the new store has it now"
    THERE = "the new store had it already"
    GONE = "the old store has it no more"
    DAMAGED = "its bytes have changed"
    UNREADABLE = "its bytes cannot be read"


def take_turn(leases: SharedLeases, seconds: float = _LEASE_WAIT_SECONDS) -> SharedLease:
    """Return the lease of the only run; wait up to `seconds` for the lease of a killed run.

    Two runs at the same time would do no harm, but would do all the work twice. Raises
    `AlreadyMovingError`.
    """
    until = time.monotonic() + seconds
    while (lease := leases.take(_LEASE, lambda: None, ask=False)) is None:
        if time.monotonic() >= until:
            raise AlreadyMovingError("another move-blobs is at work")
        time.sleep(0.2)
    return lease


class BlobMover:
    """One run from the old store to the new one.

    Blobs that no file names are not moved: the sweeper removes them from both stores.
    """

    def __init__(  # noqa: PLR0913 -- from where, to where, and how
        self,
        old: BlobStore,
        new: BlobStore,
        records: BlobRecords,
        *,
        grace_seconds: float,
        parallel: int = 4,
        pace: Pace | None = None,
        held: Callable[[], bool] = lambda: False,
        progress: Callable[[Moved], None] = lambda _: None,
        pauses: tuple[float, ...] = PAUSES,
    ) -> None:
        """Create a mover for one `run`.

        Args:
            old: the store to empty.
            new: the store to fill.
            records: tell which blobs are in use, with their sizes and digests.
            grace_seconds: how long a blob stays in the old store after it was copied.
            parallel: how many blobs are copied at the same time.
            pace: limits the bytes per second.
            held: tells whether a backup copies the stores, so that nothing may be removed.
            progress: is called regularly by several threads, by one at a time.
            pauses: seconds between two tries with a store or a database that fails.
        """
        self._old, self._new, self._records = old, new, records
        self._grace_seconds = grace_seconds
        self._pace, self._held, self._progress = pace or Pace(None), held, progress
        self._ended, self._lock = threading.Event(), threading.Lock()
        self._patience, self._parallel = Patience(self._ended, pauses), parallel
        self._moved, self._faulty = Moved(), set[BlobName]()
        # Copied blobs, with the time from which they may be removed from the old store.
        self._waiting: deque[tuple[float, list[BlobName]]] = deque()

    def run(self) -> Moved:
        """Move blobs until a pass over the old store removes none, in at most ten passes.

        Raises:
            StoreError: a store keeps failing. Another run continues from here.
            DatabaseUnavailable: the database keeps failing. Another run continues from here.
        """
        with ThreadPoolExecutor(self._parallel, "move") as pool:
            try:
                for _ in range(_PASSES):
                    if not self._pass(pool):
                        break
            finally:
                self._ended.set()
        return self._moved

    def _pass(self, pool: ThreadPoolExecutor) -> bool:
        """List the old store once and move its blobs; return whether any blob was removed there."""
        before = self._moved.removed_files
        for batch in batches(self._old.blobs()):
            self._copy_batch(pool, batch)
            self._remove_due(_MOST_WAITING)
        self._remove_due(0)
        return self._moved.removed_files > before

    # ---- copying ----

    def _copy_batch(self, pool: ThreadPoolExecutor, batch: list[BlobName]) -> None:
        wanted = self._live(name for name in batch if name not in self._faulty)
        ends = dict(pool.map(self._copy_patiently, wanted.items()))
        copied = [name for name, end in ends.items() if end in {_End.DONE, _End.THERE}]
        if len(ends) >= _UNREADABLE and set(ends.values()) == {_End.UNREADABLE}:
            raise StoreError("the old place cannot be read")
        # This call has no retries: after a failed fsync, a second fsync may report a success that
        # is wrong.
        self._new.make_durable(copied)
        # A file may be deleted while its blob is copied, and the sweeper may have removed the blob
        # before the copy existed. Then only this run can remove the copy. A file that is deleted
        # from now on is removed from both stores.
        live = self._live(copied)
        for name, end in ends.items():
            if end in {_End.DAMAGED, _End.UNREADABLE}:
                self._fault(name, end.value)
            elif end is _End.DONE and name not in live:
                self._new.delete(name)
        if live:
            self._waiting.append((time.monotonic() + self._grace_seconds, list(live)))
        self._note(files=sum(end is _End.DONE for end in ends.values()))

    def _live(self, names: Iterable[BlobName]) -> dict[BlobName, BlobContent]:
        """Return those of the blobs that files name, with their sizes and digests."""
        pairs = [(name.tenant, name.blob) for name in names]
        found = self._patience.run(lambda: self._records.live_blobs(pairs))
        return {BlobName(*pair): content for pair, content in found.items()}

    def _copy_patiently(self, wanted: tuple[BlobName, BlobContent]) -> tuple[BlobName, _End]:
        try:
            return wanted[0], self._patience.run(lambda: self._copy(*wanted))
        except _UnreadableError:
            return wanted[0], _End.UNREADABLE

    def _copy(self, name: BlobName, content: BlobContent) -> _End:
        there = self._content(self._new, name, content.size)
        if there == content:
            return _End.THERE
        try:
            if there is not None:
                if self._content(self._old, name, content.size) != content:
                    return _End.DAMAGED
                log.warning("replacing a damaged copy: %s/%s", name.tenant, name.blob)
                self._new.delete(name)
            return self._copy_bytes(name, content)
        except BlobMissing:
            return _End.GONE

    def _copy_bytes(self, name: BlobName, content: BlobContent) -> _End:
        hashing = hashlib.sha256()
        with self._old.open(name) as source:
            # A file on the disk is adopted as it is: the disk may have no space for a copy.
            spool = as_spool_file(source)
            pending: PendingBlob
            write: Callable[[bytes], object] = len  # an adopted file needs no writes
            if spool is not None:
                pending = self._new.adopt(name, spool)
            else:
                pending = writer = self._new.create(name)
                write = writer.write
            try:
                while block := _read(source):
                    hashing.update(block)
                    write(block)
                    self._passed(len(block))
                    self._note(size=len(block))
                if (pending.size(), hashing.hexdigest()) != content:
                    return _End.DAMAGED
                # The store also verifies the digest, if it can.
                pending.commit(hashing.digest())
            finally:
                pending.abort()
        return _End.DONE

    def _content(self, store: BlobStore, name: BlobName, size: int) -> BlobContent | None:
        """Return the size and the digest of a blob, or `None` if the store does not have it.

        The digest is "" if the size is not `size`.
        """
        try:
            with store.open(name) as reader:
                if reader.size() != size:
                    return BlobContent(reader.size(), "")
                hashing = hashlib.sha256()
                while block := reader.read(_BLOCK_BYTES):
                    hashing.update(block)
                    self._passed(len(block))
                return BlobContent(size, hashing.hexdigest())
        except BlobMissing:
            return None

    # ---- removing ----

    def _remove_due(self, most: int) -> None:
        """Remove batches whose grace period has ended; wait while more than `most` remain."""
        while self._waiting:
            seconds = self._waiting[0][0] - time.monotonic()
            if seconds > 0 and len(self._waiting) <= most:
                return
            self._ended.wait(seconds)
            while self._patience.run(self._held):
                self._ended.wait(1.0)
            self._remove(self._waiting.popleft()[1])
            self._note()

    def _remove(self, names: list[BlobName]) -> None:
        """Remove blobs from the old store after checking that the new store has them."""
        live, proven = self._live(names), []
        for name, content in live.items():
            if self._patience.run(lambda: self._is_in_new(name, content)):  # noqa: B023 -- run at once
                proven.append(name)
            elif self._live([name]):  # the file was not deleted in the meantime
                self._fault(name, "its copy has vanished from the new place")
        remaining = self._old.delete_all(proven)
        for name in remaining:
            self._fault(name, "it cannot be removed from the old place")
        self._moved.removed_files += len(proven) - len(remaining)

    def _is_in_new(self, name: BlobName, content: BlobContent) -> bool:
        """Tell whether the new store has the blob.

        The method compares the digest of a blob of up to 1 MiB, and the size of a larger blob.
        """
        if content.size <= _BLOCK_BYTES:
            return self._content(self._new, name, content.size) == content
        try:
            with self._new.open(name) as reader:
                return reader.size() == content.size
        except BlobMissing:
            return False

    # ---- for both ----

    def _passed(self, size: int) -> None:
        """Wait as the limit of bytes per second requires; raise an error when the run has ended."""
        if self._ended.is_set():
            raise _StoppedError
        self._pace.passed(size)

    def _note(self, *, files: int = 0, size: int = 0) -> None:
        with self._lock:
            self._moved.copied_files += files
            self._moved.copied_bytes += size
            self._progress(self._moved)

    def _fault(self, name: BlobName, what: str) -> None:
        self._faulty.add(name)
        self._moved.faults.append(f"{name.tenant}/{name.blob}: {what}")


def _read(source: BlobReader) -> bytes:
    try:
        return source.read(_BLOCK_BYTES)
    except BlobMissing:
        raise
    except StoreError as error:
        raise _UnreadableError(str(error)) from error
