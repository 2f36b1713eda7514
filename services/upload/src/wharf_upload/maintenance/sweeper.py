"""The sweeper: removes the remains of crashes, deletions and dead gateways, never what a row names.

Every step first checks and then removes. A step removes a file without a row only if the file is
older than the longest request, so the step does not touch an upload under way. In the spool of a
dead replica a lower age is enough.
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
from wharf_upload.database.job_contract import KeptJobs
from wharf_upload.maintenance.old_deliveries import OldDeliveries
from wharf_upload.maintenance.pictures import KeptPictures
from wharf_upload.maintenance.replicas import Replicas
from wharf_upload.maintenance.revoked_links import RevokedLinks
from wharf_upload.maintenance.rowless_blobs import RowlessBlobs
from wharf_upload.storage.base import BlobName, BlobStore, Found, StoreError

log = logging.getLogger(__name__)
_BATCH = 200
# The number of blobs that one request to an object store removes.
_BLOBS = 1000


@dataclass
class Swept:
    """The results of a run: the numbers of removed files and rows, and of failures.

    With `dry_run` the numbers count the files that a run would remove, without expired files, and
    with at most 1,000 deleted blobs. `names` then has a line for each counted file.
    """

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
    dead_jobs: int = 0
    deliveries: int = 0
    failures: int = 0
    names: list[str] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """Return only the numbers."""
        return {name: value for name, value in asdict(self).items() if isinstance(value, int)}


@dataclass(frozen=True)
class Ages:
    """The minimum ages for removal, in seconds."""

    lease: float
    deleted_grace: float
    idempotency: float
    events: float
    # The age of a replica's last update; after that the replica is dead, and its spool is swept.
    replica: float = 300.0
    dead_jobs: float = 30 * 24 * 3600.0


class Sweeper:
    """Sweeps files and rows; a sweeper with `dry_run` only reports."""

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
        kept_jobs: KeptJobs | None = None,
        old_deliveries: OldDeliveries | None = None,
    ) -> None:
        self._store, self._records, self._spool_root = store, records, spool_root
        # `place` is the name of the store in the records.
        self._rowless_blobs = RowlessBlobs(store, records, place)
        self._ages, self._dry_run, self._clock = ages, dry_run, clock
        self._swept = Swept()
        # `purged` returns the tenants to purge; `_empty` are those that a run has emptied.
        self._purged = purged
        self._empty: frozenset[str] = frozenset()
        # Tells whether a process copies the store: then the blobs of deleted files must stay.
        self._held = held
        self._replicas, self._pictures = replicas, pictures
        self._revoked_links, self._kept_jobs = revoked_links, kept_jobs
        self._old_deliveries = old_deliveries

    def run(self, *, blobs: bool = True, all_hours: bool = False) -> Swept:
        """Remove leftovers, deleted and expired files, and old rows.

        Without `blobs`, skip the walk over the whole store and other rare steps. With `all_hours`,
        the walk over a store that lists by hour includes the swept hours.
        """
        self._swept = Swept()
        if not self._dry_run:
            self._purge(again=blobs)
            self._expired()
        steps = [self._deleted, self._spool, self._dead_replicas]
        if blobs or not self._store.lists_by_hour:
            # Reading a local folder costs nothing, but an object store needs a request.
            steps.insert(1, self._leftovers)
        for step in steps:
            with self._counting_failures():
                step()
        if blobs:
            with self._counting_failures():
                self._rowless(all_hours=all_hours)
        if blobs and not self._dry_run:
            self._swept.events = self._records.forget_events(self._before(self._ages.events))
        if not self._dry_run:
            self._forget(of_all=blobs)
        return self._swept

    def _forget(self, *, of_all: bool) -> None:
        """Remove rows that are old, and links whose token was revoked."""
        self._swept.idempotency_keys = self._records.forget_idempotency(
            self._before(self._ages.idempotency)
        )
        if self._revoked_links is not None:
            self._swept.revoked_links = self._revoked_links.end(of_all=of_all)
        self._swept.expired_links = self._records.forget_links(self._before(0))
        # A body that was admitted in the last second of a ticket may be under way for the time
        # of a lease. A narrowed ticket shares the count with the ticket that it was made from.
        age = self._ages.lease + MAX_LIFETIME_SECONDS
        self._swept.ticket_uses = self._records.forget_ticket_uses(self._before(age))
        if self._kept_jobs is not None:
            self._swept.dead_jobs = self._kept_jobs.forget_dead(self._before(self._ages.dead_jobs))
        if self._old_deliveries is not None:
            self._swept.deliveries = self._old_deliveries.forget(self._clock(), of_all=of_all)

    def _before(self, age: float) -> int:
        """Return the time before which rows are older than `age` seconds, in milliseconds."""
        return int((self._clock() - age) * 1000)

    def run_own(self) -> Swept:
        """Remove what only this replica's disk has: the bodies that its gateway left."""
        self._swept = Swept()
        with self._counting_failures():
            self._spool()
        return self._swept

    def _purge(self, *, again: bool) -> None:
        """Remove all rows of purged tenants; their blobs are removed with those of deleted files.

        `again` includes tenants that a run has already emptied: an upload may have ended after
        that run.
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
            # This check follows the read of the rows: a copy that starts after the check finds none
            # of these blobs among its files, and does not miss them.
            if self._held():
                return
            for entry in pending:
                self._note(f"deleted {entry.tenant}/{entry.blob}")
                self._swept.deleted_blobs += 1
            if self._dry_run:
                return  # a dry run would read these rows again, so it counts only the first batch
            # The bytes are removed first: after a crash the row still shows what is left to do.
            gone = self._delete([BlobName(entry.tenant, entry.blob) for entry in pending])
            self._records.forget_pending_deletions([name.blob for name in gone])
            if len(gone) < len(pending):
                # the next iteration would read the failed rows again, so the next run retries them
                return

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
        """Remove blobs and their small pictures; return the blobs for which both succeeded."""
        try:
            left = set(self._store.delete_all(names))
        except StoreError as error:
            log.warning("blobs cannot be removed: %s", error)
            left = set(names)
        self._swept.failures += len(left)
        # Pictures are removed last: without the blob, no new picture can be made.
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
        """Remove bodies that a killed gateway left; a living gateway removes its own bodies."""
        with suppress(FileNotFoundError), os.scandir(self._spool_root) as instances:
            for instance in instances:
                with self._counting_failures():
                    if instance.is_dir(follow_symlinks=False):
                        limit = self._clock() - self._spool_age(instance.name)
                        self._spool_of(instance.path, limit)

    def _spool_age(self, instance: str) -> float:
        """Return the minimum age of removable bodies, in seconds; lower for a dead replica."""
        silent = None if self._replicas is None else self._replicas.silent_seconds(instance)
        if silent is None or silent <= self._ages.replica:
            return self._ages.lease
        # The gateway of a dead replica may still run: the bodies that it receives are younger.
        return min(self._ages.lease, self._ages.replica)

    def _spool_of(self, folder: str, limit: float) -> None:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue  # NFS keeps a deleted file under this kind of name while it is open
                with self._counting_failures():
                    self._spooled(entry, f"{os.path.basename(folder)}/{entry.name}", limit)

    def _spooled(self, entry: os.DirEntry[str], name: str, limit: float) -> None:
        if entry.is_file(follow_symlinks=False) and entry.stat().st_ctime <= limit:
            self._note(f"spooled {name}")
            if not self._dry_run:
                os.unlink(entry.path)
            self._swept.spool_files += 1

    def _dead_replicas(self) -> None:
        """Remove the remains of replicas without an update for longer than any request takes."""
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
        """Count a failure to read or remove, and continue; a missing file is no failure."""
        try:
            yield
        except FileNotFoundError:
            pass
        except (OSError, StoreError) as error:
            log.warning("a step of the sweep failed: %s", error)
            self._swept.failures += 1

    def _note(self, name: str) -> None:
        if self._dry_run:
            self._swept.names.append(name)
