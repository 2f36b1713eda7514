"""Stores in buckets of object stores that a test runs."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from servicekit.ids import uuid7_hex
from tests.servers.object_stores import ObjectStore
from wharf_upload.domain.bucket_place import parse_bucket_place
from wharf_upload.storage.s3.keys import KeyFile
from wharf_upload.storage.s3.store import S3Store
from wharf_upload.storage.timed import TimedStore

_CLIENTS: dict[ObjectStore, Any] = {}


def object_store(server: ObjectStore, folder: Path, bucket: str = "") -> TimedStore:
    """Return a store below `blobs/` of the bucket, or below a new prefix of a shared bucket.

    The second case applies if `bucket` is empty. `folder` gets the key file and the spool files.
    """
    return TimedStore(object_driver(server, folder, bucket))


def object_driver(server: ObjectStore, folder: Path, bucket: str = "") -> S3Store:
    """Return a store on an object store, without the wrapper `TimedStore`."""
    folder.mkdir(exist_ok=True)
    prefix = "blobs" if bucket else uuid7_hex()
    place = parse_bucket_place(server.url(bucket or _shared_bucket(server), prefix))
    keys = KeyFile(str(server.key_file(folder)))
    store = S3Store(place, keys, ca=server.ca, spool_folder=folder)
    # boto3's client takes long to make and does not depend on the bucket.
    store._client._made = _CLIENTS.setdefault(server, store._client._made)
    return store


@cache
def _shared_bucket(server: ObjectStore) -> str:
    return server.new_bucket()
