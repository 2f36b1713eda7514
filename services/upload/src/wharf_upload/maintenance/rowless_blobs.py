"""Rowless blobs: blobs that no row names, in the whole store or in the hours not swept yet.

A store that lists by hour may have millions of blobs, and each request lists a thousand of them. An
hour gets no new names after the longest request that began in this hour has ended. So one sweep of
each hour is enough, and the records keep the end of the last swept hour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from wharf_upload.database.contract import Records
from wharf_upload.maintenance.listed_blobs import ListedBlobs
from wharf_upload.storage.base import BlobStore, Found, Made

_BATCH = 1000
_HOUR = 3600
# A walk sweeps at most this many hours; the next walk sweeps the following ones.
_HOURS_A_WALK = 31 * 24

# Removes blobs; returns whether all of them were removed.
Remove = Callable[[list[Found]], bool]


class RowlessBlobs:
    """The rowless blobs of one store; `place` is the name of the store in the records."""

    def __init__(self, store: BlobStore, records: Records, place: str = "") -> None:
        self._store, self._records, self._place = store, records, place

    def look(self, limit: float, listed: ListedBlobs | None = None) -> Iterator[list[Found]]:
        """Yield lists of rowless blobs that are older than `limit`, in unix seconds.

        In a store that lists by hour, the age is the age of the name, because the store may have
        another clock. The method adds all blobs, of any age, to `listed`.
        """
        blobs = self._store.blobs() if listed is None else listed.noting(self._store.blobs())
        if self._store.lists_by_hour:
            old = (found for found in blobs if found.name.made_at <= limit)
        else:
            old = (found for found in blobs if found.changed_at <= limit)
        return self._without_rows(old)

    def sweep(self, limit: float, remove: Remove) -> None:
        """Remove all rowless blobs that are older than `limit`.

        The records do not keep that these hours were swept: the caller may choose a `limit` at
        which requests are still under way, and later sweeps must find what such a request leaves.
        """
        if self._place and not self._store.lists_by_hour:
            # While blobs move between two stores, a blob of any hour may arrive. The marks are
            # removed before the walk, because the walk fails if one of the two stores fails.
            self._records.forget_swept(self._place)
        _remove_all(self.look(limit), remove)

    def sweep_new_hours(self, limit: float, remove: Remove) -> None:
        """Remove rowless blobs of the hours before `limit` (unix seconds) that were not swept yet.

        An hour that fails is swept again. If no hour has a valid mark, or the store does not list
        by hour, the method removes all rowless blobs that are older than `limit`.
        """
        if not self._store.lists_by_hour:
            self.sweep(limit, remove)
            return
        since = self._records.swept_until(self._place)
        if since is None or since > _hour_of(limit) + _HOUR:
            # A mark in the future is invalid: a clock was ahead, or requests had a shorter limit.
            if _remove_all(self.look(limit), remove):
                self._records.note_swept(self._place, _hour_of(limit))
            return
        for hour in range(since, _hour_of(limit), _HOUR)[:_HOURS_A_WALK]:
            found = self._store.blobs(Made(hour, hour + _HOUR))
            if not _remove_all(self._without_rows(found), remove):
                return
            self._records.note_swept(self._place, hour + _HOUR)

    def _without_rows(self, blobs: Iterable[Found]) -> Iterator[list[Found]]:
        blobs = iter(blobs)
        while batch := list(islice(blobs, _BATCH)):
            names = [(found.name.tenant, found.name.blob) for found in batch]
            known = self._records.known_blobs(names)
            rowless = [
                found for found in batch if (found.name.tenant, found.name.blob) not in known
            ]
            if rowless:
                yield rowless


def _remove_all(batches: Iterator[list[Found]], remove: Remove) -> bool:
    are_gone = True
    for batch in batches:
        # A batch with a failure does not stop the others.
        are_gone &= remove(batch)
    return are_gone


def _hour_of(moment: float) -> int:
    return int(moment) // _HOUR * _HOUR
