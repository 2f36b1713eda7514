"""Blobs that no row names: all of them, or those of the hours that nobody has looked at yet.

A store that lists by hour has millions of blobs which a request lists by the thousand. The names of
a blob's hour do not change once the longest request of it is over: one look at each hour is enough,
and the records remember up to which one that was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from wharf_upload.database.contract import Records
from wharf_upload.maintenance.listed_blobs import ListedBlobs
from wharf_upload.storage.base import BlobStore, Found, Made

_BATCH = 1000
_HOUR = 3600
# After a worker was away for long, more follow in the next walk.
_HOURS_A_WALK = 31 * 24

# Removes blobs; returns whether all are gone.
Remove = Callable[[list[Found]], bool]


class RowlessBlobs:
    """The rowless blobs of one store; `place` is what the records call it."""

    def __init__(self, store: BlobStore, records: Records, place: str = "") -> None:
        self._store, self._records, self._place = store, records, place

    def look(self, limit: float, listed: ListedBlobs | None = None) -> Iterator[list[Found]]:
        """Yield those that are older than a time, in unix seconds, in lists.

        Where names tell the hour they tell the age, too: the clock of such a store is its own.
        `listed` learns of all blobs, of any age.
        """
        blobs = self._store.blobs() if listed is None else listed.noting(self._store.blobs())
        if self._store.lists_by_hour:
            old = (found for found in blobs if found.name.made_at <= limit)
        else:
            old = (found for found in blobs if found.changed_at <= limit)
        return self._without_rows(old)

    def sweep(self, limit: float, remove: Remove) -> None:
        """Remove all of them.

        Nothing is remembered: who asks for this may give a `limit` at which requests of these hours
        are still under way, and what these leave has to be found later.
        """
        if self._place and not self._store.lists_by_hour:
            # Blobs move to the bucket or out of it, and one of them may come into any hour. Not
            # after the walk: in that one of the two stores may fail.
            self._records.forget_swept(self._place)
        _remove_all(self.look(limit), remove)

    def sweep_new_hours(self, limit: float, remove: Remove) -> None:
        """Remove those of the hours that were not swept yet; a failure lets the hour come again.

        Where no hour is remembered, and in a store that does not list by hour, remove all.
        """
        if not self._store.lists_by_hour:
            self.sweep(limit, remove)
            return
        since = self._records.swept_until(self._place)
        if since is None or since > _hour_of(limit) + _HOUR:
            # The mark of a clock that was ahead, or of a shorter time for requests, is none.
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
        # Those that stay do not keep the others.
        are_gone &= remove(batch)
    return are_gone


def _hour_of(moment: float) -> int:
    return int(moment) // _HOUR * _HOUR
