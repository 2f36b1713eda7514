"""The upload of content as an object: one PUT, or for a large file a multipart upload.

The store verifies the bytes: a PUT carries the SHA-256 of the content, and each part carries its
MD5. Either the whole object becomes visible or nothing.
"""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote

from wharf_upload.storage.errors import BlobMissing, StoreError, StoreUnavailable
from wharf_upload.storage.s3 import content, metrics
from wharf_upload.storage.s3.client import Client
from wharf_upload.storage.s3.content import Content
from wharf_upload.storage.s3.per_process import PerProcess
from wharf_upload.storage.s3.tries import LONG, SHORT, ErrorCode
from wharf_upload.storage.s3.wire import Wire

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import CompletedPartTypeDef

ONE_PUT_BYTES = 64 << 20
_SMALL_BYTES = 1 << 20
_PART_BYTES = 16 << 20
# A store accepts at most 10,000 parts.
_MOST_PARTS = 9000
_AT_A_TIME = 4
# The number of threads that send parts, for all uploads of a process together.
_PART_THREADS = 8
_COMPLETE_TRIES = 2


class Uploads:
    """Sends content to the bucket; several threads may use it."""

    def __init__(self, wire: Wire, client: Client) -> None:
        """Create the uploads; the threads that send parts start at the first large file."""
        self._wire, self._client = wire, client
        self._senders = PerProcess(lambda: ThreadPoolExecutor(_PART_THREADS, "parts"))

    def put(self, key: str, body: Content) -> None:
        """Send content in one request; the store verifies its digest."""
        patience = SHORT if body.size <= _SMALL_BYTES else LONG
        try:
            self._wire.send(metrics.PUT, "PUT", key, content=body, patience=patience)
        except BlobMissing:
            raise _lost() from None

    def put_file(self, key: str, descriptor: int, size: int, sha256: bytes | None) -> None:
        """Send an open file that no process changes, in one request or in parts."""
        if size <= ONE_PUT_BYTES:
            self.put(key, content.whole_file(descriptor, size, sha256))
            return
        upload = _MultipartUpload(self._wire, self._client, self._senders.get(), key, size)
        try:
            upload.send(descriptor)
        except BlobMissing:
            raise _lost() from None


class _MultipartUpload:
    """The multipart upload of one large file."""

    def __init__(
        self, wire: Wire, client: Client, senders: ThreadPoolExecutor, key: str, size: int
    ) -> None:
        self._wire, self._client, self._senders = wire, client, senders
        self._key, self._size = key, size
        self._id = ""
        # The ETag of each part, by the part's number.
        self._tags: dict[int, str] = {}

    def send(self, descriptor: int) -> None:
        """Send all parts, several at a time, and complete the object."""
        self._id = self._client.ask(
            metrics.CREATE_MULTIPART,
            lambda s3: s3.create_multipart_upload(Bucket=self._client.bucket, Key=self._key),
        )["UploadId"]
        try:
            self._send_parts(descriptor)
            self._complete()
        except BaseException:
            # A failure of this cleanup must not hide the error. The sweeper removes what stays.
            with suppress(StoreError):
                abort(self._client, self._key, self._id)
            raise

    def _send_parts(self, descriptor: int) -> None:
        length = part_bytes(self._size)
        offsets = iter(range(0, self._size, length))
        running: set[Future[None]] = set()
        try:
            for offset in offsets:
                if len(running) == _AT_A_TIME:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    for sent in done:
                        sent.result()
                running.add(
                    self._senders.submit(
                        self._send_part,
                        descriptor,
                        offset // length + 1,
                        offset,
                        min(length, self._size - offset),
                    )
                )
            for sent in running:
                sent.result()
        finally:
            # No part may still be sent when the file is closed or the upload is aborted.
            for sent in running:
                sent.cancel()
            wait(running)

    def _send_part(self, descriptor: int, number: int, offset: int, length: int) -> None:
        answer = self._wire.send(
            metrics.UPLOAD_PART,
            "PUT",
            self._key,
            query=f"partNumber={number}&uploadId={quote(self._id, safe='')}",
            content=content.part_of_file(descriptor, offset, length),
            patience=LONG,
        )
        self._tags[number] = answer.headers["ETag"]

    def _complete(self) -> None:
        """Complete the object.

        If the response to Complete is lost, a retry reports that the upload does not exist. So the
        method checks the size of the object at the end.
        """
        failure: StoreError | None = None
        for _ in range(_COMPLETE_TRIES):
            try:
                self._ask_to_complete()
                failure = None
            except ErrorCode as error:
                words = f"the object store has lost the parts of a file ({error.code})"
                failure = StoreError(words)
            except StoreUnavailable as error:
                failure = error
                continue
            break
        if self._stored_bytes() != self._size:
            raise failure or StoreError("the object store has not stored the whole file")

    def _ask_to_complete(self) -> None:
        parts: list[CompletedPartTypeDef] = [
            {"PartNumber": number, "ETag": tag} for number, tag in sorted(self._tags.items())
        ]
        self._client.ask(
            metrics.COMPLETE_MULTIPART,
            lambda s3: s3.complete_multipart_upload(
                Bucket=self._client.bucket,
                Key=self._key,
                UploadId=self._id,
                MultipartUpload={"Parts": parts},
            ),
            passing=("NoSuchUpload",),
        )

    def _stored_bytes(self) -> int:
        """Return the size of the object in bytes; -1 if it does not exist."""
        try:
            answer = self._wire.send(metrics.HEAD, "HEAD", self._key, patience=LONG)
        except BlobMissing:
            return -1
        return int(answer.headers["Content-Length"])


def _lost() -> StoreUnavailable:
    """Return the error for a 404 to an upload, in place of `BlobMissing`."""
    words = "the upload or the bucket no longer exists; is WHARF_BLOB_URL correct?"
    return StoreUnavailable(words)


def part_bytes(size: int) -> int:
    """Return the size of the parts (bytes) for a file of `size` bytes."""
    return max(_PART_BYTES, -(-size // _MOST_PARTS))


def abort(client: Client, key: str, upload: str) -> None:
    """Remove the parts of an unfinished upload; a missing upload is no error."""
    with suppress(ErrorCode):
        client.ask(
            metrics.ABORT_MULTIPART,
            lambda s3: s3.abort_multipart_upload(Bucket=client.bucket, Key=key, UploadId=upload),
            passing=("NoSuchUpload",),
        )
