"""Room on the disk: an upload is refused before its body when the disk has no room for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from servicekit.database import DatabaseUnavailable
from servicekit.problems import ProblemError
from wharf_upload.domain.reservation import Reserved
from wharf_upload.problems import STORAGE_FULL
from wharf_upload.storage.base import BlobStore, Room

# How long a look at the disk holds for bodies that reserve nothing; far less than it takes to fill
# the usual reserve. What others have reserved is asked less often: it costs a query.
_LOOK_SECONDS, _ASK_SECONDS = 0.05, 0.25
# A guess at when the bodies under way may have made room.
_RETRY_SECONDS = 10


class ReservedRoom(Protocol):
    """The part of the database that tells reservations; see `database.room_contract`."""

    def reserved(self) -> Reserved:
        """Return what is reserved on this disk, by all."""


class DiskRoom:
    """Keeps a reserve of the disk free, and what bodies under way have reserved."""

    def __init__(
        self,
        store: BlobStore,
        under_way: ReservedRoom,
        *,
        reserve_bytes: int,
        reserve_inodes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._under_way, self._clock = store, under_way, clock
        self._reserve_bytes, self._reserve_inodes = reserve_bytes, reserve_inodes
        self._room, self._look_at = Room(0), 0.0
        self._reserved, self._ask_at = Reserved(), 0.0

    def now(self) -> Room:
        """Return what is free above the reserve, which may be less than nothing."""
        room = self._store.room()
        inodes = None if room.inodes is None else room.inodes - self._reserve_inodes
        return Room(room.bytes - self._reserve_bytes, inodes, room.read_only)

    def require(self, length_bytes: int) -> None:
        """Raise the problem `storage-full` when a body that reserves nothing would fill the disk.

        It sees the disk, and what others have reserved, as they were a moment ago.
        """
        now = self._clock()
        if now >= self._look_at:
            self._look(now)
        room = self._room
        free = room.bytes - self._reserved.outstanding_bytes
        if length_bytes > free:
            raise no_room(length_bytes, free, room.bytes)
        if room.inodes is not None and room.inodes <= self._reserved.outstanding_inodes:
            raise no_inodes(room.inodes)

    def error(self) -> str | None:
        """Return why the disk takes no uploads, or `None`; files are read all the same."""
        room = self._store.room()
        if room.read_only:
            return "the disk is mounted read-only: uploads are refused"
        if room.bytes <= self._reserve_bytes:
            return f"the disk has {room.bytes} bytes left, all of them reserve: uploads are refused"
        if room.inodes is not None and room.inodes <= self._reserve_inodes:
            return f"the disk can make {room.inodes} more files, all reserve: uploads are refused"
        return None

    def _look(self, now: float) -> None:
        if now >= self._ask_at:
            self._ask_at = now + _ASK_SECONDS
            # Without an answer what was known last goes on to hold.
            with suppress(DatabaseUnavailable):
                self._reserved = self._under_way.reserved()
        self._room = self.now()
        self._look_at = now + _LOOK_SECONDS


def no_room(needed_bytes: int, free_bytes: int, after_bytes: int) -> ProblemError:
    """Return the problem `storage-full`; `after_bytes` are free when no body is under way."""
    free_bytes = max(0, free_bytes)
    detail = f"The body has {needed_bytes} bytes; there is room for {free_bytes}."
    if needed_bytes > after_bytes:
        return STORAGE_FULL(detail, needed_bytes=needed_bytes, free_bytes=free_bytes)
    return STORAGE_FULL(
        f"{detail} Bodies that are on their way have the rest.",
        headers=(("Retry-After", str(_RETRY_SECONDS)),),
        needed_bytes=needed_bytes,
        free_bytes=free_bytes,
        retry_after=_RETRY_SECONDS,
    )


def no_inodes(after_inodes: int) -> ProblemError:
    """Return the problem `storage-full`; `after_inodes` are free when no body is under way."""
    detail = "The disk can make no more files."
    if after_inodes <= 0:
        return STORAGE_FULL(detail)
    return STORAGE_FULL(
        f"{detail} Bodies that are on their way have the rest.",
        headers=(("Retry-After", str(_RETRY_SECONDS)),),
        retry_after=_RETRY_SECONDS,
    )
