"""Functions that create parts from the settings: the store, the records and their maintenance."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from servicekit.database import Database, open_database, revisions
from servicekit.fetching import FetchError, fetch
from servicekit.revocations import Revocations
from servicekit.settings import SettingsError
from wharf_upload import signals
from wharf_upload.backends import Backends, OpenBackends
from wharf_upload.database import restored_rows
from wharf_upload.database.contract import Records
from wharf_upload.database.reservations import SqlReservations
from wharf_upload.database.saved_rows import open_saved_rows
from wharf_upload.database.shared_leases import SqlSharedLeases
from wharf_upload.database.sql import SCHEMA, VERSION_TABLE, SqlRecords
from wharf_upload.folders import UNDER_WAY
from wharf_upload.maintenance import upload_sweeper
from wharf_upload.maintenance.collection_pause import GarbageCollectionPause
from wharf_upload.maintenance.installation import Installation
from wharf_upload.maintenance.old_deliveries import OldDeliveries
from wharf_upload.maintenance.own_disk import OwnDisk
from wharf_upload.maintenance.pictures import KeptPictures
from wharf_upload.maintenance.replicas import Replicas
from wharf_upload.maintenance.revoked_links import RevokedLinks
from wharf_upload.maintenance.sweeper import Ages, Sweeper
from wharf_upload.maintenance.upload_sweeper import SweptUploads
from wharf_upload.maintenance.worker_loop import WorkerLoop
from wharf_upload.maintenance.worker_report import Report
from wharf_upload.notices.sender import open_sender
from wharf_upload.settings import Settings
from wharf_upload.storage.base import BlobName, BlobStore, StoreDriver, StoreUnavailable
from wharf_upload.storage.layout import BlobLayout
from wharf_upload.storage.local import LocalStore
from wharf_upload.storage.partial_uploads import PartialUploadStore
from wharf_upload.storage.timed import TimedStore
from wharf_upload.uploads.resumable.held import OTHERS_GRACE_SECONDS

if TYPE_CHECKING:
    from wharf_upload.maintenance.moving_blobs import BlobMover, Moved
    from wharf_upload.storage.s3.store import S3Store

_SMALL_PAGE_BYTES = 1024
_MAX_STATUS_BYTES = 4096


def open_store(settings: Settings) -> TimedStore:
    """Return the blob store, ready for use; while blobs move, return the moving store."""
    if not settings.uses_object_store:
        return local_store(settings.data, durable=settings.durable)
    if not settings.blob_old_url:
        return TimedStore(object_store(settings))
    from wharf_upload.storage.moving import MovingStore

    new, old = _moving(settings)
    return TimedStore(MovingStore(new, old, new_is_on_disk=not settings.blob_url))


def moving_stores(settings: Settings) -> tuple[TimedStore, TimedStore]:
    """Return the new store and the old one; raise `SettingsError` if no old store is set."""
    if not settings.blob_old_url:
        raise SettingsError("WHARF_BLOB_OLD_URL is empty: there is nothing to move")
    new, old = _moving(settings)
    return TimedStore(new), TimedStore(old)


def _moving(settings: Settings) -> tuple[StoreDriver, StoreDriver]:
    """Return the new store and the old store, one of which is the disk."""
    disk, objects = _disk(settings.data, durable=settings.durable), object_store(settings)
    return (objects, disk) if settings.blob_url else (disk, objects)


def object_store(settings: Settings) -> S3Store:
    """Return the object store that the settings name, without a request to it.

    Raises `SettingsError` if no object store is named, boto3 is missing, or the keys are unusable.
    """
    place = settings.bucket_place
    if place is None:
        raise SettingsError("WHARF_BLOB_URL: no object store is named")
    if find_spec("boto3") is None:
        raise SettingsError("WHARF_BLOB_URL: an object store needs boto3: wharf-upload[s3]")
    # Import here: a service with its blobs on the disk does not need these modules.
    from wharf_upload.storage.s3.keys import KeyFile
    from wharf_upload.storage.s3.store import S3Store

    keys = KeyFile(settings.blob_key_file)
    try:
        keys.keys()
    except StoreUnavailable as error:
        raise SettingsError(str(error)) from None
    settings.spool_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return S3Store(place, keys, ca=settings.blob_ca, spool_folder=settings.spool_folder)


def prepare_object_store(settings: Settings) -> None:
    """Add a rule to the bucket by which the object store removes unfinished uploads itself.

    Do nothing if the settings name no object store.
    """
    if settings.uses_object_store:
        object_store(settings).add_lifecycle_rule()


def local_store(data: Path, *, durable: bool) -> TimedStore:
    """Return a store on a local or shared disk; create its folders."""
    return TimedStore(_disk(data, durable=durable))


def _disk(data: Path, *, durable: bool) -> LocalStore:
    store = LocalStore(data, durable=durable)
    store.prepare()
    return store


def open_partial_uploads(settings: Settings) -> PartialUploadStore:
    """Return the store of partial uploads, which are the files of resumable uploads."""
    return PartialUploadStore(settings.resumable_folder)


def open_records(settings: Settings, store: BlobStore) -> SqlRecords:
    """Return the records; they make the names of blobs durable before the rows that name them."""
    database = open_database(settings.effective_database_url, durable=settings.durable)
    return SqlRecords(
        database,
        lambda blobs: store.make_durable([BlobName(*blob) for blob in blobs]),
        signals.tell,
        settings.quota,
        open_sender(settings.notices_place).changed,
    )


def open_live_records(settings: Settings) -> SqlRecords:
    """Return the records for a process that stores no files and sends no notices of changes."""
    return SqlRecords(open_database(settings.effective_database_url, durable=settings.durable))


def open_backends(
    settings: Settings, store: BlobStore | None = None, records: SqlRecords | None = None
) -> Backends:
    """Open the backends that the settings name; a given store or given records are used as is."""
    store = store or open_store(settings)
    records = records or open_records(settings, store)
    return OpenBackends(
        store,
        records,
        records.uploads,
        records.jobs,
        records.kept_jobs,
        records.webhooks,
        open_partial_uploads(settings),
        records.overview,
        SqlSharedLeases(records.database, settings.instance),
        open_reservations(settings, records.database),
    )


def open_reservations(settings: Settings, database: Database) -> SqlReservations:
    """Return the reservations of bodies under way; `database` has the records.

    With SQLite the reservations are in a separate file, which is never synced.
    """
    if database.dialect == "sqlite":
        # This folder may not exist, because the records may be elsewhere (WHARF_DATABASE_URL).
        settings.under_way_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        url = f"sqlite:///{settings.under_way_file}"
        database = open_database(url, durable=False, page_bytes=_SMALL_PAGE_BYTES)
    return SqlReservations(
        database,
        instance=settings.instance,
        disk="" if settings.data_shared else settings.instance,
    )


def is_migrated(settings: Settings) -> bool:
    """Tell whether the database has exactly the schema of this version."""
    return revisions.is_at(settings.effective_database_url, VERSION_TABLE, SCHEMA)


def forget_bodies(settings: Settings) -> None:
    """End the reservations of this gateway's bodies unless the gateway runs.

    Without a running gateway no body is under way. In both cases, delete the files of reservations
    from earlier boots of the machine.
    """
    for file in settings.under_way_file.parent.glob(f"{UNDER_WAY}*"):
        if not file.name.startswith(settings.under_way_file.name):
            file.unlink(missing_ok=True)
    try:
        fetch(settings.effective_nginx_status_url, _MAX_STATUS_BYTES)
    except FetchError:
        database = open_database(settings.effective_database_url)
        open_reservations(settings, database).clear(streamed=False)


def sweeper(
    settings: Settings, backends: Backends, *, dry_run: bool = False, heard: Path | None = None
) -> Sweeper:
    """Return the sweeper; `heard` is the file of revocations, by default the service's own."""
    revocations = Revocations(heard or settings.revocation_file)
    return Sweeper(
        backends.store,
        backends.records,
        settings.spool_folder.parent,
        Ages(
            lease=settings.lease_seconds,
            deleted_grace=settings.deleted_grace_seconds,
            idempotency=settings.idempotency_seconds,
            events=settings.event_seconds,
            replica=settings.replica_lost_seconds,
            dead_jobs=settings.jobs_dead_seconds,
        ),
        dry_run=dry_run,
        purged=revocations.purged,
        held=collection_pause(settings, backends.records).is_active,
        replicas=Replicas(settings.data),
        pictures=KeptPictures(settings.data),
        place=_place_of_blobs(settings),
        revoked_links=RevokedLinks(backends.records, revocations),
        kept_jobs=backends.kept_jobs,
        old_deliveries=OldDeliveries(
            backends.webhooks, settings.webhook_delivery_seconds, settings.webhook_max_deliveries
        ),
    )


def collection_pause(settings: Settings, records: Records) -> GarbageCollectionPause:
    """Return the garbage collection pause, during which no blob is removed."""
    return GarbageCollectionPause(records, settings.data if settings.data_shared else None)


def _place_of_blobs(settings: Settings) -> str:
    """Return the name that the records use for the place of blobs; empty for the disk."""
    place = settings.bucket_place
    return "" if place is None else f"{place.endpoint}/{place.bucket}/{place.prefix}"


def blob_mover(
    settings: Settings,
    backends: Backends,
    progress: Callable[[Moved], None],
    *,
    parallel: int,
    bytes_per_second: int | None,
) -> BlobMover:
    """Return the mover of blobs from the old store to the new store."""
    from wharf_upload.maintenance.moving_blobs import BlobMover
    from wharf_upload.maintenance.pace import Pace

    new, old = moving_stores(settings)
    return BlobMover(
        old,
        new,
        backends.records,
        grace_seconds=settings.deleted_grace_seconds,
        parallel=parallel,
        pace=Pace(bytes_per_second),
        held=collection_pause(settings, backends.records).is_active,
        progress=progress,
    )


def sweep_uploads(
    settings: Settings, backends: Backends, *, dry_run: bool = False
) -> Callable[[], SweptUploads]:
    """Return the function that sweeps the resumable uploads of all replicas once."""
    return lambda: upload_sweeper.sweep(
        backends.uploads,
        backends.parts,
        expiry_seconds=settings.upload_expiry_seconds,
        patience_seconds=0.0 if settings.data_shared else OTHERS_GRACE_SECONDS,
        dry_run=dry_run,
    )


def own_disk(settings: Settings, backends: Backends) -> OwnDisk:
    """Return the sweeper of this replica's own disk, for replicas without a shared folder."""
    return OwnDisk(
        sweeper(settings, backends),
        lambda: upload_sweeper.sweep(
            backends.uploads,
            backends.parts,
            expiry_seconds=settings.upload_expiry_seconds,
            replica=settings.replica_address,
        ),
        KeptPictures(settings.data),
        backends.records,
        sweep_seconds=settings.sweep_seconds,
    )


def worker_loop(
    settings: Settings,
    backends: Backends,
    publish: Callable[[Report], None] = lambda _: None,
    *,
    heard: Path | None = None,
) -> WorkerLoop:
    """Return the worker's loop.

    The loop passes its reports to `publish`. `heard` is the sweeper's file of revocations.
    """
    return WorkerLoop(
        sweeper(settings, backends, heard=heard),
        sweep_uploads(settings, backends),
        backends.leases,
        backends.overview,
        leases_are_shared=settings.leases_are_shared,
        sweep_seconds=settings.sweep_seconds,
        metrics_tenants=settings.metrics_tenants,
        publish=publish,
    )


def installation(settings: Settings) -> Installation:
    """Return the installation, which a backup copies and a restore fills."""
    url = settings.effective_database_url
    records = SqlRecords(open_database(url))
    return Installation(
        data=settings.data,
        database_url=url,
        records=records,
        uploads=records.uploads,
        pause=collection_pause(settings, records),
        resumable_folder=settings.resumable_folder,
        blobs_in=BlobLayout,
        objects=(lambda: open_store(settings)) if settings.uses_object_store else None,
        place=_place_of_blobs(settings),
        is_moving=bool(settings.blob_old_url),
        saved_rows=open_saved_rows,
        corrections=restored_rows.corrections,
    )
