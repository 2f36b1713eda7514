"""The hub: keeps all connections of this process and ends those that must end."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

from servicekit.database import DatabaseUnavailable
from servicekit.problems import UNAVAILABLE, ProblemError
from servicekit.tokens import Principal
from wharf_upload.http.event_cursors import EventCursors
from wharf_upload.live import messages, metrics
from wharf_upload.live.credentials import TokenJudge
from wharf_upload.live.feed import TenantFeed
from wharf_upload.live.limits import Seats
from wharf_upload.live.listener import Connection
from wharf_upload.live.positions import Position
from wharf_upload.live.threads import EventReader, Threads
from wharf_upload.notices.messages import Changed, Notice, Progress

log = logging.getLogger(__name__)
CHECK_SECONDS = 0.5
# At a restart the hub ends the connections spread over this time, so that clients do not all
# reconnect at the same moment.
SPREAD_SECONDS = 10.0
# A feed reads new events at this interval if no notice arrives.
LOOK_SECONDS = 0.9


@dataclass(frozen=True)
class Following:
    """The parameters with which the hub's feeds follow events."""

    reader: EventReader
    queued_events: int
    # Below one second, so clients get an event within a second even without a notice.
    look_seconds: float = LOOK_SECONDS


class Hub:
    """The connections of this process, and a feed for each tenant that has connections."""

    def __init__(
        self, following: Following, judge: TokenJudge, seats: Seats, threads: Threads
    ) -> None:
        """Create the hub; `threads` check tokens."""
        self._following, self._judge, self._seats = following, judge, seats
        self._threads = threads
        self.connections: set[Connection] = set()
        self._feeds: dict[str, tuple[TenantFeed, asyncio.Task[None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_ending = False

    async def accept(self, token: str) -> Principal:
        """Return the principal of a token; raise the problems of `TokenJudge.accept`."""
        return await self._threads.run(self._judge.accept, token)

    async def renew(self, principal: Principal, token: str) -> Principal:
        """Return the principal of a new token; raise the problems of `TokenJudge.renew`."""
        return await self._threads.run(self._judge.renew, principal, token)

    # ---- joining and leaving ----

    async def join(self, connection: Connection, after: Position | None) -> None:
        """Add a connection, and send it the events after the position `after`.

        If `after` is `None`, send only new events. Raises the problem `quota-exceeded`,
        `unavailable`, `malformed-request` or `event-cursor-expired`.
        """
        self._seats.take(connection.principal)
        try:
            position, cursors = await self._position(connection, after)
        except BaseException:
            self._seats.give_back(connection.principal)
            raise
        if connection.closed:  # the client disconnected in the meantime
            self._seats.give_back(connection.principal)
            return
        connection.position = position
        feed = self._feed(connection.principal.tenant, position, cursors)
        connection.feed = feed
        feed.listeners.add(connection)
        self.connections.add(connection)
        _log("a client has joined the live channel", connection)

    async def _position(
        self, connection: Connection, asked: Position | None
    ) -> tuple[int, EventCursors]:
        reader, tenant = self._following.reader, connection.principal.tenant
        try:
            cursors = await reader.cursors()
            after = None if asked is None else cursors.read(tenant, *asked)
            newest = await reader.newest(tenant)
            dropped = await reader.dropped(tenant) if after else 0
        except DatabaseUnavailable as error:
            metrics.database_up.set(0)
            log.warning("the database is unavailable; a connection is refused: %s", error)
            raise UNAVAILABLE(
                "The database does not respond.", headers=(("Retry-After", "1"),), retry_after=1
            ) from None
        if self.is_ending:
            raise UNAVAILABLE(
                "The live channel is restarting.", headers=(("Retry-After", "1"),), retry_after=1
            )
        if after is None:
            return newest, cursors
        if after > newest:
            # The client knows a newer event than the database: the database was restored.
            connection.resync_first = True
            return newest, cursors
        # The worker deleted events that the client has not received: it must read the lists again.
        connection.resync_first = 0 < after < dropped
        return after, cursors

    def _feed(self, tenant: str, position: int, cursors: EventCursors) -> TenantFeed:
        if tenant not in self._feeds:
            following = self._following
            feed = TenantFeed(
                partial(following.reader.page, tenant),
                partial(cursors.write, tenant),
                position,
                most_kept=following.queued_events,
                look_seconds=following.look_seconds,
            )
            self._feeds[tenant] = feed, asyncio.create_task(feed.follow())
            metrics.following.set(len(self._feeds))
        return self._feeds[tenant][0]

    def leave(self, connection: Connection) -> None:
        """Remove a connection; a second call has no effect.

        The tenant's feed stops when its last connection is removed.
        """
        connection.closed = True
        if connection not in self.connections:
            return
        self.connections.discard(connection)
        _log("a client has left the live channel", connection)
        self._seats.give_back(connection.principal)
        tenant = connection.principal.tenant
        feed, task = self._feeds[tenant]
        feed.listeners.discard(connection)
        if not feed.listeners:
            task.cancel()
            del self._feeds[tenant]
            metrics.following.set(len(self._feeds))

    # ---- notices ----

    def receive(self, notice: Notice) -> None:
        """Handle a notice: read new events immediately, or send an upload's progress."""
        tenant = notice.tenant
        if tenant not in self._feeds:
            return
        feed = self._feeds[tenant][0]
        if isinstance(notice, Changed):
            feed.wake()
            return
        json = messages.encoded(_document(notice))
        for one in feed.listeners:
            # A client that is behind gets no progress. Progress is queued immediately, because
            # `behind` counts only queued messages.
            if isinstance(one, Connection) and not one.behind and one.sees(notice):
                one.tell_progress(json)

    # ---- sending away ----

    async def check_again_and_again(self, look: Callable[[], object]) -> None:
        """Check all tokens each `CHECK_SECONDS` until cancelled; end connections with invalid ones.

        The method calls `look` before each check.
        """
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                look()
                await self._check()
            except Exception:
                log.exception("the connections cannot be checked")

    async def _check(self) -> None:
        asked = [(one, one.admitted) for one in self.connections]
        for connection, admitted, found in await self._threads.run(self._rechecked, asked):
            # The connection may have renewed its token since the check began.
            if connection.admitted is not admitted:
                continue
            if isinstance(found, ProblemError):
                self.spawn(self.send_away(connection, found))
            else:
                connection.principal = found

    def _rechecked(
        self, asked: list[tuple[Connection, Principal]]
    ) -> list[tuple[Connection, Principal, Principal | ProblemError]]:
        """Return the connections that must end, and those that have other rights now.

        The result has, for each connection, the principal that was checked, and either the new
        principal or the problem.
        """
        found: list[tuple[Connection, Principal, Principal | ProblemError]] = []
        for connection, admitted in asked:
            try:
                now = self._judge.recheck(admitted)
            except ProblemError as refusal:
                found.append((connection, admitted, refusal))
            else:
                if now != connection.principal:
                    found.append((connection, admitted, now))
        return found

    async def send_away(self, connection: Connection, reason: ProblemError) -> None:
        """End a connection with a problem."""
        if not connection.closed:
            metrics.byes.labels(reason.problem.slug).inc()
            # `unavailable` means that the check was not possible, so the token may still be valid.
            come_again = reason.problem is UNAVAILABLE
            await connection.bye(messages.farewell(reason), come_again=come_again)

    async def drain(self, seconds: float) -> None:
        """End all connections, spread over `seconds` but at most 10 seconds; then return."""
        self.is_ending = True
        spread = min(SPREAD_SECONDS, seconds)
        async with asyncio.TaskGroup() as group:
            for connection in list(self.connections):
                group.create_task(self._restart(connection, random.uniform(0, spread)))  # noqa: S311 -- no secret

    async def _restart(self, connection: Connection, pause: float) -> None:
        await asyncio.sleep(pause)
        if not connection.closed:
            metrics.byes.labels("restart").inc()
            await connection.bye(messages.RESTART, come_again=True)

    def count(self) -> None:
        """Set the metric of connections; it is counted again because a transport may upgrade."""
        counts = Counter(connection.transport for connection in self.connections)
        for transport in metrics.TRANSPORTS:
            metrics.connections.labels(transport).set(counts[transport])

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a background task; the hub keeps a reference until the task ends."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _log(message: str, connection: Connection) -> None:
    principal = connection.principal
    fields = {
        "tenant": principal.tenant,
        "subject": principal.subject,
        "transport": connection.transport,
        "position": connection.position,
    }
    log.info(message, extra={"fields": fields})


def _document(progress: Progress) -> dict[str, object]:
    """Return the document of an upload's progress for clients, which omits tenant and owner."""
    return {
        "upload": progress.upload,
        "bucket": progress.bucket,
        "key": progress.key,
        "offset": progress.offset,
        "length": progress.length,
        "rate": progress.rate,
    }
