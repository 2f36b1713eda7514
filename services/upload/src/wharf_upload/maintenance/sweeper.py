"""The sweeper: removes what crashes, deletions and dead gateways leave, never what a row names.

Every step looks first and removes second, and what it looks at is older than the longest request:
an upload that is under way right now is not touched.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from servicekit.tokens import MAX_LIFETIME_SECONDS
from wharf_upload.database.contract import Records
from wharf_upload.maintenance.pictures import KeptPictures
from wharf_upload.maintenance.replicas import Replicas
from wharf_upload.maintenance.revoked_links import RevokedLinks
from wharf_upload.maintenance.rowless_blobs import RowlessBlobs
from wharf_upload.storage.base import BlobName, BlobStore, Found, StoreError

log = logging.getLogger(__name__)
_BATCH = 200
# As many as one request to an object store removes.
_BLOBS = 1000


@dataclass
class Swept:
    """What a run removed, or would remove: numbers of files, and bytes where they are known."""

    expired_files: int = 0
    deleted_blobs: int = 0
    rowless_blobs: int = 0
    rowless_bytes: int = 0
    leftovers: int = 0
    spool_files: int = 0
    dead_replicas: int = 0
    idempotency_keys: int = 0
    events: int = 0
    purged_rows: int = 0
    ticket_uses: int = 0
    expired_links: int = 0
    revoked_links: int = 0
    failures: int = 0
    names: list[str] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """Return the numbers alone."""
        return {name: value for name, value in asdict(self).items() if isinstance(value, int)}


@dataclass(frozen=True)
class Ages:
    """How old something must be, in seconds, before it is removed."""

    lease: float
    deleted_grace: float
    idempotency: float
    events: float
    # Of the word of a replica: after that its spool is nobody's.
    replica: float = 300.0


class Sweeper:
    """One run over everything; `dry_run` only reports."""

    def __init__(  # noqa: PLR0913 -- what it sweeps, and who else may be at it
        self,
        store: BlobStore,
        records: Records,
        spool_root: Path,
        ages: Ages,
        *,
        dry_run: bool = False,
        clock: Callable[[], float] = time.time,
        purged: Callable[[], frozenset[str]] = frozenset,
        held: Callable[[], bool] = lambda: False,
        replicas: Replicas | None = None,
        pictures: KeptPictures | None = None,
        place: str = "",
        revoked_links: RevokedLinks | None = None,
    ) -> None:
        self._store, self._records, self._spool_root = store, records, spool_root
        # `place` is what the records call the store.
        self._rowless_blobs = RowlessBlobs(store, records, place)
        self._ages, self._dry_run, self._clock = ages, dry_run, clock
        self._swept = Swept()
        # `purged` names tenants of which nothing is to be kept; these are empty already.
        self._purged = purged
        self._empty: frozenset[str] = frozenset()
        # Whether somebody copies the store, and deleted files' bytes have to stay meanwhile.
        self._held = held
        self._replicas, self._pictures = replicas, pictures
        self._revoked_links = revoked_links

    def run(self, *, blobs: bool = True, all_hours: bool = False) -> Swept:
        """Remove what no row names any more; without `blobs`, leave out the walk over the store.

        `all_hours`: also look at hours that were swept before, in a store that lists by hour.
        """
        self._swept = Swept()
        if not self._dry_run:
            self._purge(again=blobs)
            self._expired()
        steps = [self._deleted, self._spool, self._dead_replicas]
        if blobs or not self._store.lists_by_hour:
            # A look at a local folder costs nothing, one at an object store a request.
            steps.insert(1, self._leftovers)
        for step in steps:
            with self._counting_failures():
                step()
        if blobs:
            with self._counting_failures():
                self._rowless(all_hours=all_hours)
        if blobs and not self._dry_run:
            before = int((self._clock() - self._ages.events) * 1000)
            self._swept.events = self._records.forget_events(before)
        if not self._dry_run:
            before = int((self._clock() - self._ages.idempotency) * 1000)
            self._swept.idempotency_keys = self._records.forget_idempotency(before)
            if self._revoked_links is not None:
                self._swept.revoked_links = self._revoked_links.end(of_all=blobs)
            self._swept.expired_links = self._records.forget_links(int(self._clock() * 1000))
            # A body that was admitted in a ticket's last second may be on its way for a lease; and
            # the count is shared with the ticket from which this one was narrowed, if it was.
            age = self._ages.lease + MAX_LIFETIME_SECONDS
            before = int((self._clock() - age) * 1000)
            self._swept.ticket_uses = self._records.forget_ticket_uses(before)
        return self._swept

    def run_own(self) -> Swept:
        """Remove what lies on the disk of this replica alone: its gateway's leftovers."""
        self._swept = Swept()
        with self._counting_failures():
            self._spool()
        return self._swept

    def _purge(self, *, again: bool) -> None:
        """Remove all rows of tenants that are gone; their blobs follow with those of deleted files.

        `again`: also those that were empty once, since an upload may have ended after that.
        """
        gone = self._purged()
        for tenant in sorted(gone if again else gone - self._empty):
            while count := self._records.purge_tenant(tenant, _BATCH):
                self._swept.purged_rows += count
        self._empty = gone

    def _expired(self) -> None:
        now = int(self._clock() * 1000)
        while count := self._records.expire(now, _BATCH):
            self._swept.expired_files += count

    def _deleted(self) -> None:
        before = int((self._clock() - self._ages.deleted_grace) * 1000)
        while pending := self._records.pending_deletion(before, _BLOBS):
            # Asked after the rows were read: who begins to copy from now on finds none of these
            # among the files, and so does not miss them.
            if self._held():
                return
            for entry in pending:
                self._note(f"deleted {entry.tenant}/{entry.blob}")
                self._swept.deleted_blobs += 1
            if self._dry_run:
                return  # the same ones would come again: this counts the first of them
            # Bytes first: after a crash in between the row says that there is work left.
            gone = self._delete([BlobName(entry.tenant, entry.blob) for entry in pending])
            self._records.forget_pending_deletions([name.blob for name in gone])
            if len(gone) < len(pending):
                return  # the others would come again at once; the next run tries them

    def _rowless(self, *, all_hours: bool) -> None:
        limit = self._clock() - self._ages.lease
        if self._dry_run:
            for batch in self._rowless_blobs.look(limit):
                self._count_rowless(batch)
        elif all_hours:
            self._rowless_blobs.sweep(limit, self._remove_rowless)
        else:
            self._rowless_blobs.sweep_new_hours(limit, self._remove_rowless)

    def _count_rowless(self, batch: list[Found]) -> None:
        for found in batch:
            self._note(f"rowless {found.name.tenant}/{found.name.blob}")
        self._swept.rowless_blobs += len(batch)
        self._swept.rowless_bytes += sum(found.size for found in batch)

    def _remove_rowless(self, batch: list[Found]) -> bool:
        self._count_rowless(batch)
        return len(self._delete([found.name for found in batch])) == len(batch)

    def _delete(self, names: list[BlobName]) -> list[BlobName]:
        """Remove blobs and their small pictures; return those of which nothing is left."""
        try:
            left = set(self._store.delete_all(names))
        except StoreError as error:
            log.warning("blobs cannot be removed: %s", error)
            left = set(names)
        self._swept.failures += len(left)
        # Pictures afterwards: nobody can make one any more.
        return [name for name in names if name not in left and self._forget_pictures(name)]

    def _forget_pictures(self, name: BlobName) -> bool:
        try:
            if self._pictures is not None:
                self._pictures.forget(self._store.gateway_place(name).location)
        except OSError as error:
            log.warning("small pictures cannot be removed: %s", error)
            self._swept.failures += 1
            return False
        return True

    def _leftovers(self) -> None:
        limit = self._clock() - self._ages.lease
        for name, changed_at in self._store.leftovers():
            if changed_at <= limit:
                self._note(f"staged {name}")
                with self._counting_failures():
                    if not self._dry_run:
                        self._store.remove_leftover(name)
                    self._swept.leftovers += 1

    def _spool(self) -> None:
        """Remove bodies that a killed gateway left; a living one removes its own."""
        with suppress(FileNotFoundError), os.scandir(self._spool_root) as instances:
            for instance in instances:
                with self._counting_failures():
                    if instance.is_dir(follow_symlinks=False):
                        limit = self._clock() - self._spool_age(instance.name)
                        self._spool_of(instance.path, limit)

    def _spool_age(self, instance: str) -> float:
        """Return from which age (seconds) on a body is nobody's: a lower one for a dead replica."""
        silent = None if self._replicas is None else self._replicas.silent_seconds(instance)
        if silent is None or silent <= self._ages.replica:
            return self._ages.lease
        # Its gateway may still be there: then what it receives is younger than this.
        return min(self._ages.lease, self._ages.replica)

    def _spool_of(self, folder: str, limit: float) -> None:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue  # what NFS keeps of a file that is gone and still open
                with self._counting_failures():
                    self._spooled(entry, f"{os.path.basename(folder)}/{entry.name}", limit)

    def _spooled(self, entry: os.DirEntry[str], name: str, limit: float) -> None:
        if entry.is_file(follow_symlinks=False) and entry.stat().st_ctime <= limit:
            self._note(f"spooled {name}")
            if not self._dry_run:
                os.unlink(entry.path)
            self._swept.spool_files += 1

    def _dead_replicas(self) -> None:
        """Remove what is left of replicas that are silent for longer than any request takes."""
        if self._replicas is None:
            return
        for name in self._replicas.silent_ones(max(self._ages.lease, self._ages.replica)):
            self._note(f"replica {name}")
            with self._counting_failures():
                if not self._dry_run:
                    if self._pictures is not None:
                        self._pictures.forget_gateway(name)
                    self._replicas.forget(name)
                self._swept.dead_replicas += 1

    @contextmanager
    def _counting_failures(self) -> Iterator[None]:
        """Count what cannot be read or removed, and go on; what is gone already is fine."""
        try:
            yield
        except FileNotFoundError:
            pass
        except (OSError, StoreError) as error:
            log.warning("something cannot be swept: %s", error)
            self._swept.failures += 1

    def _note(self, name: str) -> None:
        if self._dry_run:
            self._swept.names.append(name)
