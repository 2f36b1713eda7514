"""Blobs as objects of a bucket, of any store that speaks S3 (docs/object-stores.md).

An object's name follows from the blob's, so no row says where the bytes lie. The 200 of the store
is what `make_durable` waits for elsewhere.
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
    """Blobs in a bucket; spool files and files of forms lie in `spool_folder`."""

    def __init__(self, place: BucketPlace, keys: KeyFile, *, ca: str, spool_folder: Path) -> None:
        """Connect to nothing yet."""
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
        """Return a writer whose bytes wait in a file without a name."""
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
        """Do nothing: an object is durable when the store has answered."""

    def open(self, name: BlobName) -> ObjectReader:
        """Return the content, which arrives while it is read."""
        return ObjectReader(self._wire.get(self._key(name)))

    def gateway_place(self, name: BlobName) -> GatewayPlace:
        """Return a signed address. No I/O but a look at the file of the keys, once a second."""
        path = self._place.base_path + self._key(name)
        signed = self._signer.presigned(path, SIGNED_SECONDS)
        return GatewayPlace(relative_path(name), signed, on_disk=False)

    def delete(self, name: BlobName) -> None:
        """Remove a blob."""
        self._deletions.delete(self._key(name))

    def delete_all(self, names: list[BlobName]) -> list[BlobName]:
        """Remove blobs, a thousand in one request."""
        by_key = {self._key(name): name for name in names}
        return [by_key[key] for key in self._deletions.delete_all(list(by_key))]

    def blobs(self, made: Made | None = None) -> Iterator[Found]:
        """List the objects, of some hours or all."""
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
        """Return the room for spool files: the bucket's has no number."""
        return room_of(self._spool_folder)

    def check(self) -> str | None:
        """Say in plain words what is wrong between here and the bucket."""
        return self._probe.error()

    def add_lifecycle_rule(self) -> None:
        """Let the store itself abort what the sweeper misses; never fails."""
        lifecycle.add_rule(self._client, self._place.prefix)
