"""Resumable uploads: what is kept of them until they are files, and a while after."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from servicekit.database import Connection, Database, Row
from wharf_upload.domain.conditions import WriteCondition
from wharf_upload.records.base import File, OnConflict, UploadGone
from wharf_upload.records.grouping import GroupCommit
from wharf_upload.records.ledger import Ledger

_ROWS_A_TIME = 1000
Concat = Literal["", "partial", "final"]
_COLUMNS = (
    "id, tenant, subject, bucket, key, length, concat, options, discard_from, reserved_bytes, "
    "file, created_at, expires_at"
)


class Options(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was said at creation and matters at the end. `echo` is tus' Upload-Metadata as sent."""

    declared_type: str | None = None
    on_conflict: OnConflict = "replace"
    condition: WriteCondition | None = None
    digests: dict[str, bytes] = {}
    echo: str = ""


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A resumable upload. `length` (bytes) is `None` while it is not known; times are unix ms.

    `discard_from`: what lies behind this offset was not verified, and is given up when the request
    that brought it has ended. `reserved_bytes` count against the quota until the end.
    `file` is there when the upload is complete (but for partial ones, which become no file).
    """

    id: str
    tenant: str
    subject: str
    bucket: str
    key: str
    length: int | None
    concat: Concat = ""
    parts: tuple[str, ...] = ()
    options: Options = Options()
    discard_from: int | None = None
    reserved_bytes: int = 0
    file: File | None = None
    created_at: int
    expires_at: int


_options, _file = msgspec.json.Decoder(Options), msgspec.json.Decoder(File)


class SqlUploads:
    """In SQLite or PostgreSQL; changes join the group's transactions.

    Raises `DatabaseUnavailable`, and `Refused` kinds for what the tenant's quota does not take.
    """

    def __init__(self, database: Database, group: GroupCommit) -> None:
        self._database, self._group = database, group

    def create(self, upload: Upload) -> None:
        """Adds an upload and reserves its length."""

        def change(connection: Connection, ledger: Ledger) -> None:
            ledger.allowance(connection, upload.tenant).require(
                ledger.charges[upload.tenant], upload.reserved_bytes, 1
            )
            connection.execute(
                f"INSERT INTO uploads ({_COLUMNS}) "  # noqa: S608 -- constants only
                f"VALUES ({', '.join('?' for _ in _COLUMNS.split(','))})",
                _row(upload),
            )
            connection.execute_many(
                "INSERT INTO upload_parts (final, position, part, tenant) VALUES (?, ?, ?, ?)",
                [
                    (upload.id, position, part, upload.tenant)
                    for position, part in enumerate(upload.parts)
                ],
            )
            _charge(ledger, upload.tenant, upload.reserved_bytes, 1)

        self._group.run(upload.tenant, change)

    def get(self, tenant: str, identifier: str) -> Upload | None:
        """The upload of this tenant."""
        connection = self._database.reading()
        return _get(connection, tenant, identifier)

    def announce_length(self, upload: Upload, length: int) -> Upload:
        """The length of an upload that began without one."""

        def change(connection: Connection, ledger: Ledger) -> Upload:
            more = length - _reserved(connection, upload)
            ledger.allowance(connection, upload.tenant).require(
                ledger.charges[upload.tenant], more, 0
            )
            connection.execute(
                "UPDATE uploads SET length = ?, reserved_bytes = ? WHERE tenant = ? AND id = ?",
                (length, length, upload.tenant, upload.id),
            )
            _charge(ledger, upload.tenant, more, 0)
            return msgspec.structs.replace(upload, length=length, reserved_bytes=length)

        changed: Upload = self._group.run(upload.tenant, change)
        return changed

    def reserve(self, upload: Upload, size: int) -> Upload:
        """Makes `size` bytes what an upload reserves whose length is not known."""

        def change(connection: Connection, ledger: Ledger) -> Upload:
            more = size - _reserved(connection, upload)
            ledger.allowance(connection, upload.tenant).require(
                ledger.charges[upload.tenant], more, 0
            )
            connection.execute(
                "UPDATE uploads SET reserved_bytes = ? WHERE tenant = ? AND id = ?",
                (size, upload.tenant, upload.id),
            )
            _charge(ledger, upload.tenant, more, 0)
            return msgspec.structs.replace(upload, reserved_bytes=size)

        reserved: Upload = self._group.run(upload.tenant, change)
        return reserved

    def progress(
        self, upload: Upload, *, expires_at: int, discard_from: int | None, size: int
    ) -> None:
        """Notes that bytes came: the upload lives on, and without a length they are reserved."""

        def change(connection: Connection, ledger: Ledger) -> None:
            before = _reserved(connection, upload)
            reserved = before if upload.length is not None else size
            connection.execute(
                "UPDATE uploads SET expires_at = ?, discard_from = ?, reserved_bytes = ? "
                "WHERE tenant = ? AND id = ?",
                (expires_at, discard_from, reserved, upload.tenant, upload.id),
            )
            _charge(ledger, upload.tenant, reserved - before, 0)

        self._group.run(upload.tenant, change)

    def renew(self, upload: Upload, expires_at: int) -> None:
        """Prolongs its time (unix ms)."""

        def change(connection: Connection, _: Ledger) -> None:
            connection.execute(
                "UPDATE uploads SET expires_at = ? WHERE tenant = ? AND id = ? AND expires_at < ?",
                (expires_at, upload.tenant, upload.id, expires_at),
            )

        self._group.run(upload.tenant, change)

    def remove(self, upload: Upload) -> bool:
        """Forgets an upload and gives back what it reserved; whether it was there."""
        return self._remove(upload, finished=True)

    def give_up(self, upload: Upload) -> bool:
        """As `remove`, unless it has become a file, by another replica: its client may still ask.

        Whether it was there, unfinished.
        """
        return self._remove(upload, finished=False)

    def _remove(self, upload: Upload, *, finished: bool) -> bool:
        def change(connection: Connection, ledger: Ledger) -> bool:
            there = _get(connection, upload.tenant, upload.id)
            if there is None or (there.file is not None and not finished):
                return False
            _forget(connection, ledger, there)
            return True

        return bool(self._group.run(upload.tenant, change))

    def expired(self, now: int, limit: int) -> list[Upload]:
        """Uploads whose time is over."""
        rows = self._database.reading().rows(
            f"SELECT {_COLUMNS} FROM uploads WHERE expires_at <= ? "  # noqa: S608 -- constants only
            "ORDER BY expires_at LIMIT ?",
            (now, limit),
        )
        return [_upload(row, ()) for row in rows]

    def finals_of(self, tenant: str, part: str) -> list[Upload]:
        """Unfinished final uploads that this partial one is a part of."""
        rows = self._database.reading().rows(
            "SELECT p.final FROM upload_parts p JOIN uploads u ON u.id = p.final "
            "WHERE p.tenant = ? AND p.part = ? AND u.file IS NULL",
            (tenant, part),
        )
        found = (self.get(tenant, row[0]) for row in rows)
        return [upload for upload in found if upload is not None]

    def unfinished(self) -> Iterator[tuple[str, str]]:
        """Tenant and id of all unfinished uploads, by id."""
        last = ""
        while rows := self._database.reading().rows(
            "SELECT tenant, id FROM uploads WHERE id > ? AND file IS NULL ORDER BY id LIMIT ?",
            (last, _ROWS_A_TIME),
        ):
            yield from ((tenant, identifier) for tenant, identifier in rows)
            last = rows[-1][1]

    def known(self, identifier: str) -> bool:
        """Whether there is an unfinished upload of this id: its part is still wanted."""
        return bool(
            self._database.reading().row(
                "SELECT 1 FROM uploads WHERE id = ? AND file IS NULL", (identifier,)
            )
        )


def _get(connection: Connection, tenant: str, identifier: str) -> Upload | None:
    row = connection.row(
        f"SELECT {_COLUMNS} FROM uploads WHERE id = ? AND tenant = ?",  # noqa: S608 -- constants only
        (identifier, tenant),
    )
    if row is None:
        return None
    parts = (
        connection.rows(
            "SELECT part FROM upload_parts WHERE tenant = ? AND final = ? ORDER BY position",
            (tenant, identifier),
        )
        if row[6] == "final"
        else []
    )
    return _upload(row, tuple(part[0] for part in parts))


def _reserved(connection: Connection, upload: Upload) -> int:
    """What an unfinished upload reserves by now: `upload` may be older than that.

    Raises `UploadGone`.
    """
    row = connection.row(
        "SELECT reserved_bytes FROM uploads WHERE tenant = ? AND id = ? AND file IS NULL",
        (upload.tenant, upload.id),
    )
    if row is None:
        raise UploadGone
    reserved: int = row[0]
    return reserved


def _forget(connection: Connection, ledger: Ledger, upload: Upload) -> None:
    connection.execute(
        "DELETE FROM uploads WHERE tenant = ? AND id = ?", (upload.tenant, upload.id)
    )
    connection.execute(
        "DELETE FROM upload_parts WHERE tenant = ? AND final = ?", (upload.tenant, upload.id)
    )
    if upload.file is None:
        _charge(ledger, upload.tenant, -upload.reserved_bytes, -1)


def _charge(ledger: Ledger, tenant: str, size: int, files: int) -> None:
    ledger.charges[tenant].update(bytes=size, files=files)


def _row(upload: Upload) -> Row:
    return (
        upload.id,
        upload.tenant,
        upload.subject,
        upload.bucket,
        upload.key,
        upload.length,
        upload.concat,
        msgspec.json.encode(upload.options).decode(),
        upload.discard_from,
        upload.reserved_bytes,
        None if upload.file is None else msgspec.json.encode(upload.file).decode(),
        upload.created_at,
        upload.expires_at,
    )


def _upload(row: Row, parts: tuple[str, ...]) -> Upload:
    return Upload(
        id=row[0],
        tenant=row[1],
        subject=row[2],
        bucket=row[3],
        key=row[4],
        length=row[5],
        concat=row[6],
        parts=parts,
        options=_options.decode(row[7]),
        discard_from=row[8],
        reserved_bytes=row[9],
        file=None if row[10] is None else _file.decode(row[10]),
        created_at=row[11],
        expires_at=row[12],
    )
