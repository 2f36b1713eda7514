"""Opens the store and the records that the settings name."""

from __future__ import annotations

from servicekit.database import open_database
from wharf_upload import signals
from wharf_upload.records.sql import SqlRecords
from wharf_upload.settings import Settings
from wharf_upload.stores.base import BlobName, BlobStore
from wharf_upload.stores.local import LocalStore


def open_store(settings: Settings) -> LocalStore:
    """The blob store, ready for use."""
    store = LocalStore(settings.data, durable=settings.durable)
    store.prepare()
    return store


def open_records(settings: Settings, store: BlobStore) -> SqlRecords:
    """The records; blobs' names are made durable before the rows that point to them."""
    database = open_database(settings.effective_database_url, durable=settings.durable)
    return SqlRecords(
        database,
        lambda blobs: store.make_durable([BlobName(*blob) for blob in blobs]),
        signals.tell,
        settings.quota,
    )
