"""Receiving: from bytes that the gateway holds to a file that is visible, in one order always.

Bytes durable, then name durable, then row durable, then the answer (`docs/reliability.md`). What
is given up on the way is removed here; what a crash leaves is found by the sweeper, because
nothing points to it yet.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import msgspec

from servicekit.database import OutcomeUnknown
from servicekit.ids import uuid7_hex
from wharf_upload import noted, stages
from wharf_upload.domain.digests import DigestMismatch, Hashing
from wharf_upload.domain.sniffing import HEAD_BYTES, INLINE_TYPES, active_content, sniff
from wharf_upload.domain.uploads import Intent, check_size, check_type, served_type
from wharf_upload.following import FOLLOW_BYTES, Question
from wharf_upload.records.base import File, Idempotency, Stored, UploadEnd, Write
from wharf_upload.records.ledger import now_milliseconds
from wharf_upload.service import Service
from wharf_upload.stores.base import BlobName, StoreError

_BLOCK_BYTES = 1 << 20
_LONGEST_MARK_BYTES = 16
_KNOWN, _COMPUTED = ("known",), ("computed",)


def receive_bytes(service: Service, intent: Intent, content: bytes) -> Stored:
    """Stores a small file that is in memory."""
    service.records.announce()
    try:
        return _receive_bytes(service, intent, content)
    finally:
        service.records.withdraw()


def _receive_bytes(service: Service, intent: Intent, content: bytes) -> Stored:
    begun = time.perf_counter()
    check_size(len(content), intent.largest)
    sha256 = hashlib.sha256(content).digest()
    stages.ended(stages.HASH, begun)
    if intent.digests:
        _verify_bytes(content, sha256, intent.digests)
    sniffed = sniff(content[:HEAD_BYTES], complete=len(content) <= HEAD_BYTES)
    check_type(sniffed, intent.filename, intent.policy, intent.ticket)
    active = is_active(sniffed, content[:HEAD_BYTES], content[_tail_start(len(content)) :])
    file = describe(intent, sha256, len(content), sniffed, active=active)
    name = BlobName(file.tenant, file.blob)
    service.store.put(name, content)
    stages.ended(stages.RECEIVE, begun)
    return keep(service, intent, (file,))


def receive_spooled(service: Service, intent: Intent, spool_file: str) -> Stored:
    """Stores a file that the gateway has spooled, without copying it."""
    begun = time.perf_counter()
    blob = BlobName(intent.tenant, uuid7_hex())
    # Link first, then look: the gateway removes the spool file when the client goes away.
    writer = service.store.adopt(blob, spool_file)
    try:
        size = writer.size()
        check_size(size, intent.largest)
        head = os.pread(writer.descriptor(), HEAD_BYTES, 0)
        sniffed = sniff(head, complete=size <= HEAD_BYTES)
        check_type(sniffed, intent.filename, intent.policy, intent.ticket)
        active = is_active(sniffed, head, tail_of(writer.descriptor(), size))
        sha256 = digest_of(
            service, writer.descriptor(), spool_file, intent.digests, sync=writer.sync
        )
        writer.commit()
    except BaseException:
        writer.abort()
        raise
    file = describe(intent, sha256, size, sniffed, blob.blob, active=active)
    stages.ended(stages.RECEIVE, begun)
    return keep(service, intent, (file,))


def is_active(sniffed: str, head: bytes, tail: bytes) -> bool:
    """Whether a file that could be shown holds something that could act (security.md row 31).

    Looked at: its first and last `HEAD_BYTES`; what unpackers and readers of PDF look for is
    there.
    """
    return sniffed in INLINE_TYPES and (active_content(head) or active_content(tail))


def tail_of(descriptor: int, size: int) -> bytes:
    """The last bytes of a file of `size` bytes, as far as they are not its first ones."""
    start = _tail_start(size)
    return os.pread(descriptor, size - start, start) if start < size else b""


def _tail_start(size: int) -> int:
    # A mark that the end of the head cuts in two is found in the tail.
    return max(HEAD_BYTES - _LONGEST_MARK_BYTES, size - HEAD_BYTES)


def describe(
    intent: Intent,
    sha256: bytes,
    size: int,
    sniffed: str,
    blob: str | None = None,
    *,
    active: bool = False,
) -> File:
    """The record of a file whose bytes have been looked at."""
    identifier, now = blob or uuid7_hex(), now_milliseconds()
    lifetime = intent.policy.expire_after_seconds
    return File(
        id=identifier,
        tenant=intent.tenant,
        bucket=intent.bucket,
        key=intent.key,
        blob=identifier,
        size=size,
        sha256=sha256.hex(),
        media_type=served_type(sniffed, intent.declared_type),
        declared_type=intent.declared_type,
        filename=intent.filename,
        owner=intent.subject,
        created_at=now,
        expires_at=None if lifetime is None else now + 1000 * lifetime,
        active=active,
    )


def keep(
    service: Service, intent: Intent, files: tuple[File, ...], upload: UploadEnd | None = None
) -> Stored:
    """Makes stored blobs visible as files, all or none; unwanted blobs are removed again.

    `upload` is the resumable upload that becomes the file.
    """
    write = Write(
        files=files,
        on_conflict=intent.on_conflict,
        condition=intent.condition,
        idempotency=_with_content(intent, files),
        ticket=intent.use,
        upload=upload,
    )
    begun = time.perf_counter()
    try:
        stored = service.records.write(write)
    except OutcomeUnknown:
        # A row may point to these bytes. If none does, the sweeper will find them.
        raise
    except BaseException:
        discard(service, files)
        raise
    stages.ended(stages.COMMIT, begun)
    if stored.replayed:
        discard(service, files)
    return stored


def _with_content(intent: Intent, files: tuple[File, ...]) -> Idempotency | None:
    """The request's fingerprint, its choice and its files' names and bytes included."""
    idempotency = intent.idempotency
    if idempotency is None:
        return None
    whole = hashlib.sha256(f"{idempotency.fingerprint} {intent.on_conflict}".encode())
    for file in files:
        whole.update(f"\n{file.sha256} {file.key}".encode())
    return msgspec.structs.replace(idempotency, fingerprint=whole.hexdigest())


def discard(service: Service, files: tuple[File, ...]) -> None:
    """Removes blobs that no row will point to."""
    for file in files:
        # A blob that stays is swept later; the reason why it is unwanted matters more here.
        with suppress(StoreError):
            service.store.delete(BlobName(file.tenant, file.blob))


def digest_of(
    service: Service,
    descriptor: int,
    followed: str,
    expected: Mapping[str, bytes],
    *,
    sync: Callable[[], None],
) -> bytes:
    """SHA-256 of the content, from the follower where it knows; verifies what was announced.

    `followed` is the path under which the follower saw the file grow; `sync` makes it durable.
    """
    status = os.fstat(descriptor)
    size = status.st_size
    question = Question(service.follower, followed, status.st_ino, size)
    # The disk works while the follower reads the last blocks.
    sync()
    begun = time.perf_counter()
    answer = question.answer()
    if answer is not None and "sha-512" not in expected:
        stages.ended(stages.HASH, begun)
        noted.digests.note((_KNOWN, 1))
        if expected.get("sha-256", answer) != answer:
            raise DigestMismatch("sha-256", expected["sha-256"], answer)
        return answer
    hashing = Hashing(sha512="sha-512" in expected)
    hash_range(hashing, descriptor, 0, size)
    stages.ended(stages.HASH, begun)
    if size >= FOLLOW_BYTES:
        noted.digests.note((_COMPUTED, 1))
    hashing.verify(expected)
    return hashing.sha256


def hash_range(hashing: Hashing, descriptor: int, offset: int, length: int) -> None:
    """Hashes a range (bytes) of an open file; raises `StoreError` when the file is shorter."""
    buffer = bytearray(min(_BLOCK_BYTES, length))
    view = memoryview(buffer)
    end = offset + length
    while offset < end:
        count = os.preadv(descriptor, [view[: end - offset]], offset)
        if not count:
            raise StoreError("the content ended early")
        hashing.update(view[:count])
        offset += count


def _verify_bytes(content: bytes, sha256: bytes, expected: Mapping[str, bytes]) -> None:
    if "sha-512" in expected:
        hashing = Hashing(sha512=True)
        hashing.update(content)
        hashing.verify(expected)
    elif expected.get("sha-256", sha256) != sha256:
        raise DigestMismatch("sha-256", expected["sha-256"], sha256)
