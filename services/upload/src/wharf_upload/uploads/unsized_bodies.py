"""Bodies that say no length: how much of one comes is decided before it comes (ADR 58)."""

from __future__ import annotations

from typing import NamedTuple

from wharf_upload.domain.body_classes import class_for
from wharf_upload.problems import STORAGE_FULL
from wharf_upload.uploads.disk_room import DiskRoom


class BodyBound(NamedTuple):
    """How much comes of a body, in bytes: the gateway cuts it at `class_bytes`.

    `limit_bytes` is what a client is told, the most that can be stored.
    """

    class_bytes: int
    limit_bytes: int


class UnsizedBodies:
    """Finds the bounds of such bodies."""

    def __init__(self, room: DiskRoom) -> None:
        self._room = room

    def bound_of(self, limit_bytes: int, left_bytes: int | None, *, copies: int = 1) -> BodyBound:
        """Return the bound of a body.

        Args:
            limit_bytes: the most that the body may have by the rules.
            left_bytes: what is left of the tenant's quota; `None` is no limit.
            copies: how often the body lies on the disk for a moment.

        Raises the problem `storage-full`.
        """
        limit = limit_bytes if left_bytes is None else min(limit_bytes, left_bytes)
        free = self._room.free_bytes()
        found = class_for(limit, free // copies)
        if found is None:
            raise STORAGE_FULL(
                f"The body says no length, and there is room for {free} bytes.", free_bytes=free
            )
        return BodyBound(found, min(limit, found))
