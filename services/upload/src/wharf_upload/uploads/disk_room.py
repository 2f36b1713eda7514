"""The free disk space: the service refuses an upload before its body when the disk is too full."""

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

# How long `require` reuses the free space of the disk and the reservations, in seconds. The disk
# cannot lose the usual reserve in that time. Reservations are read less often, because each read is
# a query.
_LOOK_SECONDS, _ASK_SECONDS = 0.05, 0.25
# An estimate of the time until bodies under way have released space.
_RETRY_SECONDS = 10


class ReservedRoom(Protocol):
    """The queries about reservations; see `database.room_contract`."""

    def reserved(self) -> Reserved:
        """Return the sum of all reservations on this disk."""


class DiskRoom:
    """Keeps free a reserve of the disk, and the space that bodies under way have reserved."""

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
        """Return the free space above the reserve; its numbers may be negative."""
        room = self._store.room()
        inodes = None if room.inodes is None else room.inodes - self._reserve_inodes
        return Room(room.bytes - self._reserve_bytes, inodes, room.read_only)

    def require(self, length_bytes: int) -> None:
        """Raise the problem `storage-full` when a body without a reservation would fill the disk.

        The values for the disk and for the reservations may be a fraction of a second old.
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
        """Return why the disk takes no uploads, or `None`; downloads work in any case.

        Unauthenticated clients can read this text, so it has no numbers: the metrics have them.
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
            # Without a database the last known reservations stay in use.
            with suppress(DatabaseUnavailable):
                self._reserved = self._under_way.reserved()
        self._room = self.now()
        self._look_at = now + _LOOK_SECONDS


def no_room(needed_bytes: int | None, *, passes: bool) -> ProblemError:
    """Return the problem `storage-full`, which does not state how much space is free.

    Args:
        needed_bytes: the bytes that the body needs; `None` for a body without a length.
        passes: whether the body would fit if no other body were under way.
    """
    if needed_bytes is None:
        return _storage_full("The disk has no space for a body without a length.", passes=passes)
    detail = f"The disk has no space for the {needed_bytes} bytes that the body needs."
    return _storage_full(detail, passes=passes, needed_bytes=needed_bytes)


def no_inodes(*, passes: bool) -> ProblemError:
    """Return the problem `storage-full` for inodes; `no_room` explains `passes`."""
    return _storage_full("The disk has no inodes for more files.", passes=passes)


def _storage_full(detail: str, *, passes: bool, **members: int) -> ProblemError:
    headers: tuple[tuple[str, str], ...] = ()
    if passes:
        detail = f"{detail} Other uploads have reserved the rest; retry later."
        headers = (("Retry-After", str(_RETRY_SECONDS)),)
        members["retry_after"] = _RETRY_SECONDS
    return STORAGE_FULL(detail, headers=headers, **members)
