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
            raise no_room(length_bytes, passes=length_bytes <= room.bytes)
        if room.inodes is not None and room.inodes <= self._reserved.outstanding_inodes:
            raise no_inodes(passes=room.inodes > 0)

    def error(self) -> str | None:
        """Return why the disk takes no uploads, or `None`; files are read all the same.

        Strangers read it, too, so it has no numbers: the metrics have them.
        """
        room = self._store.room()
        if room.read_only:
            return "the disk is mounted read-only: uploads are refused"
        if room.bytes <= self._reserve_bytes:
            return "the disk has no bytes left above the reserve: uploads are refused"
        if room.inodes is not None and room.inodes <= self._reserve_inodes:
            return "the disk has no inodes left above the reserve: uploads are refused"
        return None

    def _look(self, now: float) -> None:
        if now >= self._ask_at:
            self._ask_at = now + _ASK_SECONDS
            # Without an answer what was known last goes on to hold.
            with suppress(DatabaseUnavailable):
                self._reserved = self._under_way.reserved()
        self._room = self.now()
        self._look_at = now + _LOOK_SECONDS


def no_room(needed_bytes: int | None, *, passes: bool) -> ProblemError:
    """Return the problem `storage-full`, which does not tell how much room there is.

    Args:
        needed_bytes: what the body needs; `None` for one without a length.
        passes: whether there is room when no other body is under way.
    """
    if needed_bytes is None:
        return _storage_full("There is no room for a body without a length.", passes=passes)
    detail = f"There is no room for the {needed_bytes} bytes that the body needs."
    return _storage_full(detail, passes=passes, needed_bytes=needed_bytes)


def no_inodes(*, passes: bool) -> ProblemError:
    """Return the problem `storage-full`; `passes` as for `no_room`."""
    return _storage_full("The disk can make no more files.", passes=passes)


def _storage_full(detail: str, *, passes: bool, **members: int) -> ProblemError:
    headers: tuple[tuple[str, str], ...] = ()
    if passes:
        detail = f"{detail} Bodies that are on their way have it."
        headers = (("Retry-After", str(_RETRY_SECONDS)),)
        members["retry_after"] = _RETRY_SECONDS
    return STORAGE_FULL(detail, headers=headers, **members)
