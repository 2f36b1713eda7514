"""The rows of signed links; a link with an id is valid only while its row exists."""

from __future__ import annotations

import itertools

import msgspec

from servicekit.database import Connection, Row
from servicekit.reaches import Maker
from wharf_upload.database.aggregate import Aggregate
from wharf_upload.database.retention import ROWS_A_TIME, forget
from wharf_upload.database.unit_of_work import UnitOfWork
from wharf_upload.domain.kept_links import KeptLink, LinkFilter
from wharf_upload.domain.refusals import LimitReached

_READ = (
    "tenant, id, bucket, target, is_prefix, disposition, filename, maker_right, tokens, "
    "created_at, expires_at"
)
#: All columns, in the order of the values of a new row.
COLUMNS = f"{_READ}, maker"
_INSERT = (
    f"INSERT INTO links ({COLUMNS}) "  # noqa: S608 -- constants only
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_ADVICE = (
    "End some of them with DELETE /v1/links/{id}, or all with POST /v1/links/rotate; the worker "
    "also removes links that have expired."
)
# Sorts after every id, because ids consist of hexadecimal digits.
_LAST = "~"
_TARGETS_AT_ONCE = 16
_right = msgspec.json.Decoder(Maker)


class SqlLinks(Aggregate):
    """Implements `link_contract.LinkRecords`."""

    def keep_link(self, link: KeptLink) -> None:
        """Store a link; raises `LimitReached` if the tenant has too many links."""

        def change(connection: Connection, _: UnitOfWork) -> None:
            places = self._group.links
            if not places.has_room(connection, link.tenant):
                raise LimitReached("links", places.most or 0, _ADVICE)
            connection.execute(_INSERT, _row(link))

        self._group.run(link.tenant, change)

    def kept_link(self, tenant: str, link: str) -> KeptLink | None:
        """Return the link with this id, or `None`; the link may have expired."""
        row = self._database.reading().row(
            f"SELECT {_READ} FROM links WHERE tenant = ? AND id = ?",  # noqa: S608 -- constants only
            (tenant, link),
        )
        return None if row is None else _link(row)

    def tokens_of_link(self, tenant: str, link: str) -> tuple[str, ...] | None:
        """Return the ids of the link's tokens (`KeptLink.tokens`).

        Return `None` if the link has no row.
        """
        row = self._database.reading().row(
            "SELECT tokens FROM links WHERE tenant = ? AND id = ?", (tenant, link)
        )
        return None if row is None else tuple(row[0].split())

    def kept_links(
        self, tenant: str, wanted: LinkFilter, *, now: int, before: str, limit: int
    ) -> list[KeptLink]:
        """Return at most `limit` links that have not expired, with ids below `before`.

        The newest link comes first. An empty `before` means no bound.
        """
        conditions = _conditions(tenant, wanted, before or _LAST)
        rows = self._database.reading().rows(
            f"SELECT {_READ} FROM links WHERE tenant = ? AND "  # noqa: S608 -- constants only
            f"{' AND '.join(conditions)} AND expires_at > ? ORDER BY id DESC LIMIT ?",
            (tenant, *itertools.chain.from_iterable(conditions.values()), now, limit),
        )
        return [_link(row) for row in rows]

    def end_link(self, tenant: str, link: str) -> bool:
        """Delete a link; return whether it existed."""

        def change(connection: Connection, _: UnitOfWork) -> bool:
            return bool(
                connection.execute("DELETE FROM links WHERE tenant = ? AND id = ?", (tenant, link))
            )

        return bool(self._group.run(tenant, change))

    def end_links(self, tenant: str, until: int) -> int:
        """Delete the links that a tenant made up to the time `until`, in batches.

        Return how many links were deleted.
        """
        count = 0
        while True:
            with self._database.transaction() as connection:
                rows = connection.rows(
                    "SELECT tenant, id FROM links WHERE tenant = ? AND created_at <= ? LIMIT ?",
                    (tenant, until, ROWS_A_TIME),
                )
                _remove(connection, rows)
            count += len(rows)
            if len(rows) < ROWS_A_TIME:
                return count

    def recent_links(
        self, tenant: str, after: str, limit: int
    ) -> list[tuple[str, tuple[str, ...]]]:
        """Return the ids and token ids of `limit` links after the id `after`, the oldest first."""
        rows = self._database.reading().rows(
            "SELECT id, tokens FROM links WHERE tenant = ? AND id > ? ORDER BY id LIMIT ?",
            (tenant, after, limit),
        )
        return [(row[0], tuple(row[1].split())) for row in rows]

    def remove_links(self, tenant: str, links: list[str]) -> None:
        """Delete links; ids of links that no longer exist have no effect."""
        with self._database.transaction() as connection:
            _remove(connection, [(tenant, link) for link in links])

    def forget_links(self, before: int) -> int:
        """Delete the links that expired before a time; return how many were deleted."""
        return forget(self._database, "links", "expires_at", "tenant, id", before)


def _remove(connection: Connection, rows: list[Row]) -> None:
    connection.execute_many("DELETE FROM links WHERE tenant = ? AND id = ?", rows)


def _conditions(tenant: str, wanted: LinkFilter, before: str) -> dict[str, list[str]]:
    """Return the SQL conditions of a listing in addition to the tenant, with the values of each."""
    conditions: dict[str, list[str]] = {}
    if wanted.maker is not None:
        conditions["maker = ?"] = [wanted.maker]
    if wanted.bucket is None:
        return {**conditions, "id < ?": [before]}
    if wanted.key is None:
        return {**conditions, "bucket = ?": [wanted.bucket], "id < ?": [before]}
    targets = _targets(wanted.key)
    # A subquery of ids instead of a condition on `target`: otherwise SQLite reads all links of the
    # tenant, because their ids are in the order of the result.
    of_key = (
        "SELECT id FROM links WHERE tenant = ? AND bucket = ? "  # noqa: S608 -- constants only
        f"AND target IN ({', '.join('?' * len(targets))}) AND id || '' < ?"
    )
    return {**conditions, f"id IN ({of_key})": [tenant, wanted.bucket, *targets, before]}


def _targets(key: str) -> list[str]:
    """Return the targets of links that show a key: the key and the prefixes of all its folders."""
    parts = key.split("/")
    found = [key, *("/".join((*parts[:count], "")) for count in range(len(parts)))]
    # Repeat the last target up to a multiple of 16, so that there are few different statements.
    return found + found[-1:] * (-len(found) % _TARGETS_AT_ONCE)


def _row(link: KeptLink) -> Row:
    return (
        *(link.tenant, link.id, link.bucket, link.target, int(link.is_prefix)),
        *(link.disposition, link.filename, msgspec.json.encode(link.maker).decode()),
        *(" ".join(link.tokens), link.created_at, link.expires_at, link.maker.subject),
    )


def _link(row: Row) -> KeptLink:
    tenant, name, bucket, target, is_prefix, disposition, filename, right, tokens, *times = row
    return KeptLink(
        tenant=tenant,
        id=name,
        bucket=bucket,
        target=target,
        is_prefix=bool(is_prefix),
        disposition=disposition,
        filename=filename,
        maker=_right.decode(right),
        tokens=tuple(tokens.split()),
        created_at=times[0],
        expires_at=times[1],
    )
