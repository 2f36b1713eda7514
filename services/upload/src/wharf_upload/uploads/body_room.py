"""Reservations of disk space, quota and ticket uses for bodies before they arrive (ADR 59).

Two bodies never reserve the same free space: reservations are made one after another, and each one
takes the earlier ones into account. A reservation ends when the file is stored or refused.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple, Protocol

import msgspec

from servicekit.database import DatabaseUnavailable
from servicekit.metric_buffers import MetricBuffer
from wharf_upload.database.room_contract import Reservations
from wharf_upload.domain.body_classes import class_for
from wharf_upload.domain.refusals import QuotaExceeded, TicketUsedUp
from wharf_upload.domain.reservation import Needed, Reserved
from wharf_upload.tenancy.quotas import QuotaCheck
from wharf_upload.uploads.disk_room import DiskRoom, no_inodes, no_room

log = logging.getLogger(__name__)
# A body without a length gets at most one half of the free space, so that the next body finds free
# space.
_PART_WITHOUT_LENGTH = 2
# The process remembers at most this many unreleased reservations; the others expire.
_MOST_LATE = 10_000
LIMIT = "limit"
DISK, TENANT_SHARE, INODES, QUOTA, TICKET = "disk", "tenant_share", "inodes", "quota", "ticket"
REASONS = (DISK, TENANT_SHARE, INODES, QUOTA, TICKET)
refusals = MetricBuffer()
"""The number of refused bodies, by the reason of the refusal."""


class Share(NamedTuple):
    """The part of the quota that a body needs: bytes and files."""

    quota_bytes: int
    files: int


class TicketLimit(msgspec.Struct, frozen=True, kw_only=True):
    """The limits for concurrent bodies that use one ticket for `max_files` files.

    With `counts_uses`, the files that were already stored with the ticket count. `bytes_of_a_file`
    is set where several bodies may carry slices of one file: then the limit applies to the number
    of bytes, not to the number of bodies. `takes_slices` tells whether a slice is allowed although
    the ticket is used up.
    """

    id: str
    max_files: int
    counts_uses: bool = True
    bytes_of_a_file: int | None = None
    takes_slices: Callable[[], bool] = lambda: False


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """A body that asks for admission.

    `length` is `None` if the client does not announce it; `largest` is the upper limit, in bytes.
    The disk holds `copies` copies of the body, and `overhead` bytes of the body are not content.
    The service calls `instead` with the number of content bytes when the quota is used up.
    `instead` returns a smaller share for a body that replaces a file, an empty share for a body
    that the quota already counts, and `None` for any other body.
    """

    tenant: str
    length: int | None
    largest: int
    inodes: int
    copies: int = 1
    overhead: int = 0
    ticket: TicketLimit | None = None
    checks_quota: bool = True
    instead: Callable[[int], Share | None] = lambda _: None


class Bound(NamedTuple):
    """The size in bytes at which the gateway cuts a body without a length: its `body_class`.

    `limit` is the most that could be stored. `by` names the reason: `LIMIT` for the limits of the
    bucket, the ticket or the upload, `QUOTA`, or `DISK`. No client learns how much disk space is
    free.
    """

    body_class: int
    limit: int
    by: str


class RoomTaken(NamedTuple):
    """The reservation of a body; `bound` is set for a body without a length."""

    id: str
    bound: Bound | None = None


class TicketUses(Protocol):
    """The queries about tickets; see `database.contract`."""

    def ticket_uses(self, tenant: str, ticket: str) -> int:
        """Return how many files clients have stored with an upload ticket."""


class BodyRoom:
    """Reserves the resources that bodies need, and releases them."""

    def __init__(
        self,
        disk: DiskRoom,
        quotas: QuotaCheck,
        reservations: Reservations,
        uses: TicketUses,
        *,
        tenant_percent: int,
    ) -> None:
        """Create the reservations of this process.

        One tenant may reserve at most `tenant_percent` of the disk space that the other tenants
        have left.
        """
        self._disk, self._quotas, self._uses = disk, quotas, uses
        self._reservations, self._tenant_percent = reservations, tenant_percent
        self._streamed: dict[str, Callable[[], int]] = {}
        self._given_back: set[str] = set()
        # Reservations that could not be released while the database was unavailable.
        self._late: set[str] = set()

    def take(self, body: Body) -> RoomTaken:
        """Reserve the resources that the body needs.

        Raises `TicketUsedUp`, `QuotaExceeded` and the problem `storage-full`.
        """
        try:
            return self._take_or_expire(body)
        except QuotaExceeded:
            _note(QUOTA)
            raise
        except TicketUsedUp:
            _note(TICKET)
            raise

    def take_disk(self, tenant: str, length: int, written: Callable[[], int]) -> str:
        """Reserve only disk space, for a body whose quota is reserved already; return the id.

        `written` returns how many bytes of the body are on the disk; another thread calls it.
        Raises the problem `storage-full`.
        """

        def judge(reserved: Reserved) -> Needed:
            self._require_disk(reserved, length, inodes=0)
            return Needed(disk_bytes=length, quota_bytes=0, files=0, inodes=0)

        room = self._reservations.reserve(tenant, "", judge, streamed=True).id
        self._streamed[room] = written
        return room

    def streamed(self) -> int:
        """Return how many bytes of the bodies that this process receives are on the disk."""
        return sum(written() for written in list(self._streamed.values()))

    def take_disk_without_length(
        self, tenant: str, largest: int, *, checks_quota: bool, more_copies: int
    ) -> RoomTaken:
        """Reserve only disk space, for a body of at most `largest` bytes without a known length.

        With `checks_quota` the body may not be longer than the free part of the quota; the quota
        itself is not reserved. The same space must be free once more for each of `more_copies`,
        which are reserved later. Raises the problem `storage-full`.
        """
        bound: Bound | None = None

        def judge(reserved: Reserved) -> Needed:
            nonlocal bound
            free = self._require_disk(reserved, None, inodes=1)
            left = self._quotas.left_bytes(tenant, reserved) if checks_quota else None
            limit = largest if left is None else min(largest, max(0, left))
            bound = _bound_of(limit, free, 1 + more_copies, LIMIT if limit == largest else QUOTA)
            size = bound.body_class
            return Needed(disk_bytes=size, quota_bytes=0, files=0, inodes=1)

        return RoomTaken(self._reservations.reserve(tenant, "", judge).id, bound)

    def give_back_at_commit(self, room: str) -> None:
        """End the reservation of a body right before its commit.

        The next call of `give_back` for this reservation has no effect, and must follow. The commit
        checks quota and ticket again. If the reservation and the new file counted at the same time,
        the service would refuse another body that fits.
        """
        self.give_back(room)
        self._given_back.add(room)

    def give_back(self, *ids: str) -> None:
        """End reservations.

        While the database is unavailable, the reservations are kept, and a later call ends them.
        """
        if len(ids) == 1 and ids[0] in self._given_back:
            self._given_back.discard(ids[0])
            return
        for room in ids:
            self._streamed.pop(room, None)
        every = {*ids, *self._late}
        try:
            self._reservations.end(every)
        except DatabaseUnavailable as error:
            log.warning("cannot release reservations now, will retry: %s", error)
            if len(every) <= _MOST_LATE:
                self._late.update(ids)
        else:
            self._late.difference_update(every)

    def give_back_late(self) -> None:
        """End the reservations that could not be ended before."""
        if self._late:
            self.give_back()

    def _take_or_expire(self, body: Body) -> RoomTaken:
        try:
            return self._take(body)
        except QuotaExceeded:
            # Expired files count until they are removed.
            if not self._quotas.expire(body.tenant):
                raise
        return self._take(body)

    def _take(self, body: Body) -> RoomTaken:
        bound: Bound | None = None
        ticket = body.ticket.id if body.ticket else ""

        def judge(reserved: Reserved) -> Needed:
            nonlocal bound
            size = body.length
            if size is None:
                bound = self._bound_of(body, reserved)
                size = bound.body_class
            else:
                self._require_disk(reserved, body.copies * size, body.inodes)
            content = max(0, size - body.overhead)
            self._require_ticket(body, reserved, content)
            share = self._share_of(body, reserved, content)
            return Needed(
                disk_bytes=body.copies * size,
                quota_bytes=share.quota_bytes,
                files=share.files,
                inodes=body.inodes,
            )

        return RoomTaken(self._reservations.reserve(body.tenant, ticket, judge).id, bound)

    def _require_disk(self, reserved: Reserved, needed_bytes: int | None, inodes: int) -> int:
        """Return the bytes that may be reserved, or raise `storage-full`.

        With `needed_bytes` = `None` one free byte is enough.
        """
        room = self._disk.now()
        every = max(0, room.bytes) + reserved.written_bytes
        share = every * self._tenant_percent // 100
        # The share applies to the space that the other tenants have left, so that several tenants
        # together never reserve the whole disk.
        others = reserved.disk_bytes - reserved.own_disk_bytes
        share_left = (every - others) * self._tenant_percent // 100 - reserved.own_disk_bytes
        left = room.bytes - reserved.outstanding_bytes
        free = min(left, share_left)
        least = 1 if needed_bytes is None else needed_bytes
        if least > free:
            _note(DISK if least > left else TENANT_SHARE)
            raise no_room(needed_bytes, passes=least <= min(room.bytes, share))
        if room.inodes is not None and inodes > room.inodes - reserved.outstanding_inodes:
            _note(INODES)
            raise no_inodes(passes=inodes <= room.inodes)
        return free

    def _bound_of(self, body: Body, reserved: Reserved) -> Bound:
        """Return the size at which the gateway cuts a body without a length."""
        free = self._require_disk(reserved, None, body.inodes)
        limit = body.largest
        left = self._quotas.left_bytes(body.tenant, reserved)
        if left is not None and body.checks_quota and left + body.overhead < limit:
            instead = body.instead(0)
            left -= instead.quota_bytes if instead else 0
            limit = min(limit, max(0, left) + body.overhead)
        return _bound_of(limit, free, body.copies, LIMIT if limit == body.largest else QUOTA)

    def _require_ticket(self, body: Body, reserved: Reserved, content: int) -> None:
        """Raise `TicketUsedUp` if stored files and bodies under way use up the ticket."""
        ticket = body.ticket
        if ticket is None:
            return
        used = self._uses.ticket_uses(body.tenant, ticket.id) if ticket.counts_uses else 0
        left = ticket.max_files - used
        if left <= 0:
            if not ticket.takes_slices():
                raise TicketUsedUp(ticket.max_files)
            left = 1
        if ticket.bytes_of_a_file is None:
            is_over = reserved.ticket_files >= left
        else:
            most = left * ticket.bytes_of_a_file
            content = content if body.length is not None else min(content, most)
            is_over = reserved.ticket_quota_bytes + content > most
        if is_over:
            raise TicketUsedUp(ticket.max_files, under_way=reserved.ticket_bodies)

    def _share_of(self, body: Body, reserved: Reserved, content: int) -> Share:
        """Return the share of the quota to reserve; raises `QuotaExceeded`.

        A body without a length may be longer than the free part of the quota: then the commit
        refuses it.
        """
        if body.length is None:
            left = self._quotas.left_bytes(body.tenant, reserved)
            content = content if left is None else min(content, max(0, left))
        if not body.checks_quota:
            return Share(content, 1)
        least = 1 if body.length is None else content
        try:
            self._quotas.require(body.tenant, reserved, least, 1)
        except QuotaExceeded:
            instead = body.instead(least)
            if instead is None:
                raise
            self._quotas.require(body.tenant, reserved, *instead)
            return Share(max(0, instead.quota_bytes), instead.files)
        return Share(content, 1)


def _bound_of(limit: int, free: int, copies: int, limited_by: str) -> Bound:
    """Return the bound from a limit and the free space; raises the problem `storage-full`."""
    found = class_for(limit, free // _PART_WITHOUT_LENGTH // copies)
    if found is None:
        _note(DISK)
        raise no_room(None, passes=False)
    return Bound(found, limit, limited_by) if found >= limit else Bound(found, found, DISK)


def _note(reason: str) -> None:
    refusals.note(((reason,), 1))
