"""Moves files to other keys, in the same bucket or another one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from servicekit.problems import UNPROCESSABLE
from wharf_upload.catalog.buckets import BucketCatalog
from wharf_upload.domain.buckets import Policy
from wharf_upload.domain.file_writes import Move, Place, Stored
from wharf_upload.domain.files import File
from wharf_upload.domain.refusals import NoSuchFile
from wharf_upload.domain.upload_intent import SizeLimit, check_rename, check_size, type_elsewhere


class StoredFiles(Protocol):
    """The queries of the file moves to the database; see `database.contract`."""

    def file(self, tenant: str, bucket: str, key: str) -> File | None:
        """Return the file with this key, or `None`; the file may have expired."""

    def move(self, wanted: Move, place: Place) -> Stored:
        """Move a file to another address."""


class FileMoves:
    """Moves the files of all tenants."""

    def __init__(
        self, stored: StoredFiles, buckets: BucketCatalog, clock: Callable[[], float]
    ) -> None:
        """Take a `clock` of unix seconds."""
        self._stored, self._buckets, self._clock = stored, buckets, clock

    def move(self, wanted: Move, require_deleting: Callable[[], None]) -> Stored:
        """Move a file if the policy of the target bucket permits it.

        `require_deleting` raises if the caller may not delete files. The method calls
        `require_deleting` if the target is another bucket whose policy sets an expiry.

        Raises `NoSuchBucket`, `NoSuchFile`, `KeyTaken`, `PreconditionFailed`, `IdempotencyReused`,
        `TooLarge`, `ExtensionNotAllowed`, `TypeNotAllowed` and the problem `unprocessable`.
        """
        source, target = wanted.source, wanted.target
        if source == target:
            raise UNPROCESSABLE("from and to are the same address.")
        policy = self._buckets.find(wanted.tenant, target.bucket).policy

        def place(file: File, key: str) -> File:
            moved = msgspec.structs.replace(
                file, bucket=target.bucket, key=key, filename=_filename(file, key)
            )
            if target.bucket == source.bucket:
                return _renamed(file, moved, policy)
            placed = _elsewhere(moved, policy, self._clock())
            if placed.expires_at is not None:
                require_deleting()
            return placed

        if wanted.idempotency is None:
            # Check the move first, so that an invalid move never joins a transaction with other
            # changes. With an Idempotency-Key this check is left out, because an earlier request
            # with this key may have moved the file already.
            place(self._found(wanted), target.key)
        return self._stored.move(wanted, place)

    def _found(self, wanted: Move) -> File:
        file = self._stored.file(wanted.tenant, wanted.source.bucket, wanted.source.key)
        if file is None or file.is_expired(int(self._clock() * 1000)):
            raise NoSuchFile
        return file


def _name(key: str) -> str:
    return key.rpartition("/")[2]


def _filename(file: File, key: str) -> str:
    """Return the file name after a move.

    If the new key has the same last segment as the old key, the file name does not change.
    Otherwise the file name is the last segment of the new key.
    """
    return file.filename if _name(file.key) == _name(key) else _name(key)


def _renamed(file: File, moved: File, policy: Policy) -> File:
    """Return the file after a move in the same bucket; only its new names need a check."""
    for old, new in ((file.key, moved.key), (file.filename, moved.filename)):
        if _name(old) != _name(new):
            check_rename(file.media_type, file.size, _name(new), policy)
    return moved


def _elsewhere(moved: File, policy: Policy, now_seconds: float) -> File:
    """Return the file after a move to another bucket, with the expiry by that bucket's policy.

    The lifetime starts at the move. Raises `TooLarge`, `ExtensionNotAllowed` and `TypeNotAllowed`.
    """
    if policy.max_file_bytes is not None:
        check_size(moved.size, SizeLimit(policy.max_file_bytes, "bucket's file limit"))
    type_elsewhere(moved, moved.filename, policy)
    media_type = type_elsewhere(moved, _name(moved.key), policy)
    lifetime = policy.expire_after_seconds
    expires_at = None if lifetime is None else int(1000 * (now_seconds + lifetime))
    return msgspec.structs.replace(moved, media_type=media_type, expires_at=expires_at)
