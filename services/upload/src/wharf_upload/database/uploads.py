"""The rows of resumable uploads until they become files, and for a while after that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from servicekit.database import Connection
from wharf_upload.database.aggregate import Aggregate
from wharf_upload.database.row_counts import require_room
from wharf_upload.database.unit_of_work import UnitOfWork
from wharf_upload.database.upload_rows import (
    COLUMNS,
    find,
    options_with_digests,
    reserved,
    ticket_of_slices,
    to_row,
    to_upload,
)
from wharf_upload.domain.resumable_upload import Upload

_INSERT = (
    f"INSERT INTO uploads ({COLUMNS}) "  # noqa: S608 -- constants only
    f"VALUES ({', '.join('?' for _ in COLUMNS.split(','))})"
)
_ROWS_A_TIME = 1000
# When a partial upload ends, the service checks at most this many final uploads. For any other
# final upload, the client's next request joins the parts.
_MOST_FINALS = 100


class SqlUploads(Aggregate):
    """Implements `upload_contract.UploadRecords`, which describes each method in full."""

    def create(self, upload: Upload) -> None:
        """Add an upload and reserve its bytes and one file; raises `LimitReached`."""

        def change(connection: Connection, unit: UnitOfWork) -> None:
            most = unit.quota.rows.open_uploads
            require_room(connection, upload.tenant, "open uploads", most)
            unit.allowance(connection, upload.tenant).require(
                unit.charges[upload.tenant], upload.reserved_bytes, 1
            )
            connection.execute(_INSERT, to_row(upload))
            connection.execute_many(
                "INSERT INTO upload_parts (final, position, part, tenant) VALUES (?, ?, ?, ?)",
                [
                    (upload.id, position, part, upload.tenant)
                    for position, part in enumerate(upload.parts)
                ],
            )
            _charge(unit, upload.tenant, upload.reserved_bytes, 1)

        self._group.run(upload.tenant, change)

    def get(self, tenant: str, identifier: str) -> Upload | None:
        """Return the upload with this id of the tenant, or `None`."""
        return find(self._database.reading(), tenant, identifier)

    def announce_length(self, upload: Upload, length: int) -> Upload:
        """Set and reserve the length of an upload that was created without a length."""

        def change(connection: Connection, unit: UnitOfWork) -> Upload:
            more = length - reserved(connection, upload)
            unit.allowance(connection, upload.tenant).require(unit.charges[upload.tenant], more, 0)
            connection.execute(
                "UPDATE uploads SET length = ?, reserved_bytes = ? WHERE tenant = ? AND id = ?",
                (length, length, upload.tenant, upload.id),
            )
            _charge(unit, upload.tenant, more, 0)
            return msgspec.structs.replace(upload, length=length, reserved_bytes=length)

        changed: Upload = self._group.run(upload.tenant, change)
        return changed

    def announce_digests(self, upload: Upload, digests: Mapping[str, bytes]) -> Upload:
        """Store the digests that the client has announced for the whole file, by algorithm."""

        def change(connection: Connection, _: UnitOfWork) -> None:
            connection.execute(
                "UPDATE uploads SET options = ? WHERE tenant = ? AND id = ?",
                (options_with_digests(connection, upload, digests), upload.tenant, upload.id),
            )

        self._group.run(upload.tenant, change)
        options = msgspec.structs.replace(upload.options, digests=dict(digests))
        return msgspec.structs.replace(upload, options=options)

    def reserve(self, upload: Upload, size: int) -> Upload:
        """Set the reservation of an upload of unknown length to `size` bytes."""

        def change(connection: Connection, unit: UnitOfWork) -> Upload:
            more = size - reserved(connection, upload)
            unit.allowance(connection, upload.tenant).require(unit.charges[upload.tenant], more, 0)
            connection.execute(
                "UPDATE uploads SET reserved_bytes = ? WHERE tenant = ? AND id = ?",
                (size, upload.tenant, upload.id),
            )
            _charge(unit, upload.tenant, more, 0)
            return msgspec.structs.replace(upload, reserved_bytes=size)

        changed: Upload = self._group.run(upload.tenant, change)
        return changed

    def progress(
        self, upload: Upload, *, expires_at: int, discard_from: int | None, size: int
    ) -> None:
        """Record the progress of an upload: set its `expires_at` and its `discard_from`.

        If the upload has no length, also set its reservation to `size` bytes, even above the quota.
        """

        def change(connection: Connection, unit: UnitOfWork) -> None:
            before = reserved(connection, upload)
            after = before if upload.length is not None else size
            connection.execute(
                "UPDATE uploads SET expires_at = ?, discard_from = ?, reserved_bytes = ? "
                "WHERE tenant = ? AND id = ?",
                (expires_at, discard_from, after, upload.tenant, upload.id),
            )
            _charge(unit, upload.tenant, after - before, 0)

        self._group.run(upload.tenant, change)

    def renew(self, upload: Upload, expires_at: int) -> None:
        """Move the upload's expiry to a later time; an earlier time has no effect."""

        def change(connection: Connection, _: UnitOfWork) -> None:
            connection.execute(
                "UPDATE uploads SET expires_at = ? WHERE tenant = ? AND id = ? AND expires_at < ?",
                (expires_at, upload.tenant, upload.id, expires_at),
            )

        self._group.run(upload.tenant, change)

    def remove(self, upload: Upload) -> bool:
        """Delete an upload and release its reservation; return whether it existed."""
        return self._remove(upload, finished=True)

    def give_up(self, upload: Upload) -> bool:
        """Delete an upload unless it has become a file; return whether it was deleted."""
        return self._remove(upload, finished=False)

    def _remove(self, upload: Upload, *, finished: bool) -> bool:
        def change(connection: Connection, unit: UnitOfWork) -> bool:
            there = find(connection, upload.tenant, upload.id)
            if there is None or (there.file is not None and not finished):
                return False
            _forget(connection, unit, there)
            return True

        return bool(self._group.run(upload.tenant, change))

    def under_way(
        self, tenant: str, *, subject: str | None, after: str, limit: int
    ) -> list[Upload]:
        """Return the tenant's unfinished uploads after the id `after`, in order of their ids."""
        whose, values = ("", ()) if subject is None else ("AND subject = ? ", (subject,))
        rows = self._database.reading().rows(
            f"SELECT {COLUMNS} FROM uploads WHERE tenant = ? {whose}"  # noqa: S608 -- constants only
            "AND id > ? AND file IS NULL ORDER BY id LIMIT ?",
            (tenant, *values, after, limit),
        )
        return [to_upload(row, ()) for row in rows]

    def expired(self, now: int, limit: int, *, replica: str | None = None) -> list[Upload]:
        """Return at most `limit` expired uploads; with a `replica`, only those of that replica."""
        whose, values = ("", ()) if replica is None else ("AND replica = ? ", (replica,))
        rows = self._database.reading().rows(
            f"SELECT {COLUMNS} FROM uploads WHERE expires_at <= ? {whose}"  # noqa: S608 -- constants only
            "ORDER BY expires_at LIMIT ?",
            (now, *values, limit),
        )
        return [to_upload(row, ()) for row in rows]

    def finals_of(self, tenant: str, part: str) -> list[Upload]:
        """Return unfinished final uploads that contain a partial upload, a hundred at most."""
        rows = self._database.reading().rows(
            "SELECT p.final FROM upload_parts p JOIN uploads u ON u.id = p.final "
            "WHERE p.tenant = ? AND p.part = ? AND u.file IS NULL LIMIT ?",
            (tenant, part, _MOST_FINALS),
        )
        found = (self.get(tenant, row[0]) for row in rows)
        return [upload for upload in found if upload is not None]

    def unfinished(self) -> Iterator[tuple[str, str]]:
        """Yield tenant and id of all unfinished uploads, by id."""
        last = ""
        while rows := self._database.reading().rows(
            "SELECT tenant, id FROM uploads WHERE id > ? AND file IS NULL ORDER BY id LIMIT ?",
            (last, _ROWS_A_TIME),
        ):
            yield from ((tenant, identifier) for tenant, identifier in rows)
            last = rows[-1][1]

    def known(self, identifier: str) -> bool:
        """Tell whether an unfinished upload has this id."""
        return bool(
            self._database.reading().row(
                "SELECT 1 FROM uploads WHERE id = ? AND file IS NULL", (identifier,)
            )
        )

    def takes_slices(
        self, tenant: str, subject: str, bucket: str, *, ticket: str, least_bytes: int
    ) -> bool:
        """Tell whether the client sends or just sent a file of at least `least_bytes` in slices."""
        rows = self._database.reading().rows(
            "SELECT options FROM uploads WHERE tenant = ? AND subject = ? AND bucket = ? "
            "AND length >= ? AND options LIKE ?",
            (tenant, subject, bucket, least_bytes, '%"slicing":%'),
        )
        return any(ticket_of_slices(row[0]) == ticket for row in rows)


def _forget(connection: Connection, unit: UnitOfWork, upload: Upload) -> None:
    connection.execute(
        "DELETE FROM uploads WHERE tenant = ? AND id = ?", (upload.tenant, upload.id)
    )
    connection.execute(
        "DELETE FROM upload_parts WHERE tenant = ? AND final = ?", (upload.tenant, upload.id)
    )
    if upload.file is None:
        _charge(unit, upload.tenant, -upload.reserved_bytes, -1)


def _charge(unit: UnitOfWork, tenant: str, size: int, files: int) -> None:
    unit.charges[tenant].update(bytes=size, files=files)
