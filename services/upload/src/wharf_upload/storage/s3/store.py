"""A store of blobs as objects of a bucket, in any store that speaks S3 (docs/object-stores.md).

The blob's name determines the object's name, so no row contains the place of the bytes. A blob is
durable as soon as the object store has returned 200.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from wharf_upload.domain.bucket_place import BucketPlace
from wharf_upload.storage.base import SIGNED_SECONDS, BlobName, Found, GatewayPlace, Made, Room
from wharf_upload.storage.filesystem import room_of
from wharf_upload.storage.layout import relative_path
from wharf_upload.storage.s3 import lifecycle
from wharf_upload.storage.s3.client import Client
from wharf_upload.storage.s3.content import of_bytes
from wharf_upload.storage.s3.deleting import Deletions
from wharf_upload.storage.s3.keys import KeyFile
from wharf_upload.storage.s3.listing import Listing
from wharf_upload.storage.s3.names import object_name
from wharf_upload.storage.s3.pending import ObjectWriter, SpooledObject
from wharf_upload.storage.s3.probe import Probe
from wharf_upload.storage.s3.reading import ObjectReader
from wharf_upload.storage.s3.signing import Signer
from wharf_upload.storage.s3.uploading import Uploads, abort
from wharf_upload.storage.s3.wire import Wire
from wharf_upload.storage.spool_file import SpoolFile


class S3Store:
    """Blobs in a bucket; spool files and files of forms are in `spool_folder`."""

    def __init__(self, place: BucketPlace, keys: KeyFile, *, ca: str, spool_folder: Path) -> None:
        """Create the store; this opens no connection."""
        self.on_sync: Callable[[float], None] = lambda _: None
        self.lists_by_hour = True
        self._place, self._spool_folder = place, spool_folder
        self._signer = Signer(place, keys)
        wire, self._client = Wire(place, self._signer, ca), Client(place, keys, ca)
        self._wire = wire
        self._uploads, self._deletions = Uploads(wire, self._client), Deletions(wire, self._client)
        self._listing = Listing(self._client, place.prefix)
        self._probe = Probe(wire, keys, place.prefix)

    def _key(self, name: BlobName) -> str:
        return object_name(self._place.prefix, name)

    def create(self, name: BlobName) -> ObjectWriter:
        """Return a writer that collects the bytes in a file without a name."""
        return ObjectWriter(self._sender(name), self._spool_folder)

    def adopt(self, name: BlobName, spool: SpoolFile) -> SpooledObject:
        """Return a new blob that is read from the open spool file."""
        return SpooledObject(self._sender(name), spool)

    def _sender(self, name: BlobName) -> Callable[[int, int, bytes | None], None]:
        key = self._key(name)

        def send(descriptor: int, size: int, sha256: bytes | None) -> None:
            begun = time.perf_counter()
            self._uploads.put_file(key, descriptor, size, sha256)
            self.on_sync(begun)

        return send

    def put(self, name: BlobName, content: bytes, sha256: bytes | None = None) -> None:
        """Send a small blob in one request."""
        begun = time.perf_counter()
        self._uploads.put(self._key(name), of_bytes(content, sha256))
        self.on_sync(begun)

    def make_durable(self, names: list[BlobName]) -> None:
        """Do nothing: an object is durable when the store has responded."""

    def open(self, name: BlobName) -> ObjectReader:
        """Return a reader of the content, which arrives while the caller reads."""
        return ObjectReader(self._wire.get(self._key(name)))

    def gateway_place(self, name: BlobName) -> GatewayPlace:
        """Return a signed address; does no I/O except one check of the key file a second."""
        path = self._place.base_path + self._key(name)
        signed = self._signer.presigned(path, SIGNED_SECONDS)
        return GatewayPlace(relative_path(name), signed, on_disk=False)

    def delete(self, name: BlobName) -> None:
        """Remove a blob."""
        self._deletions.delete(self._key(name))

    def delete_all(self, names: list[BlobName]) -> list[BlobName]:
        """Remove blobs, up to a thousand in one request."""
        by_key = {self._key(name): name for name in names}
        return [by_key[key] for key in self._deletions.delete_all(list(by_key))]

    def blobs(self, made: Made | None = None) -> Iterator[Found]:
        """Yield the blobs of some hours, or all blobs."""
        return self._listing.blobs(made)

    def leftovers(self) -> Iterator[tuple[str, float]]:
        """Yield the unfinished multipart uploads."""
        for key, upload, changed_at in self._listing.unfinished():
            yield f"{key} {upload}", changed_at

    def remove_leftover(self, name: str) -> None:
        """Abort an unfinished multipart upload."""
        key, _, upload = name.partition(" ")
        abort(self._client, key, upload)

    def room(self) -> Room:
        """Return the free space for spool files; the bucket's free space is unknown."""
        return room_of(self._spool_folder)

    def check(self) -> str | None:
        """Return what is wrong with the connection or the bucket, or `None`."""
        return self._probe.error()

    def add_lifecycle_rule(self) -> None:
        """Let the object store itself remove unfinished uploads; never raises `StoreError`."""
        lifecycle.add_rule(self._client, self._place.prefix)
