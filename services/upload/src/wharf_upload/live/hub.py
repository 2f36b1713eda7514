"""All connections of this process: who joins, who leaves, and who is sent away."""

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
# Clients that are sent away at a restart come back over so long.
SPREAD_SECONDS = 10.0
# How often to look for new events without a hint.
LOOK_SECONDS = 0.9


@dataclass(frozen=True)
class Following:
    """How events are followed."""

    reader: EventReader
    queued_events: int
    # Without a hint an event is at its clients within a second.
    look_seconds: float = LOOK_SECONDS


class Hub:
    """The connections, and a feed for each tenant that has some."""

    def __init__(
        self, following: Following, judge: TokenJudge, seats: Seats, threads: Threads
    ) -> None:
        """`threads` are for tokens."""
        self._following, self._judge, self._seats = following, judge, seats
        self._threads = threads
        self.connections: set[Connection] = set()
        self._feeds: dict[str, tuple[TenantFeed, asyncio.Task[None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_ending = False

    async def accept(self, token: str) -> Principal:
        """Return whose token it is; raises problems."""
        return await self._threads.run(self._judge.accept, token)

    async def renew(self, principal: Principal, token: str) -> Principal:
        """Return the principal of a newer token; raises problems."""
        return await self._threads.run(self._judge.renew, principal, token)

    # ---- joining and leaving ----

    async def join(self, connection: Connection, after: Position | None) -> None:
        """Let a connection hear what comes after an event, or from now on; raises problems."""
        self._seats.take(connection.principal)
        try:
            position, cursors = await self._position(connection, after)
        except BaseException:
            self._seats.give_back(connection.principal)
            raise
        if connection.closed:  # the client has not waited
            self._seats.give_back(connection.principal)
            return
        connection.position = position
        feed = self._feed(connection.principal.tenant, position, cursors)
        connection.feed = feed
        feed.listeners.add(connection)
        self.connections.add(connection)
        _log("a client listens", connection)

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
            log.warning("a connection is refused: %s", error)
            raise UNAVAILABLE(
                "The database does not answer.", headers=(("Retry-After", "1"),), retry_after=1
            ) from None
        if self.is_ending:
            raise UNAVAILABLE(
                "The live channel restarts.", headers=(("Retry-After", "1"),), retry_after=1
            )
        if after is None:
            return newest, cursors
        if after > newest:
            # The database is older than what the client knows: it was restored.
            connection.resync_first = True
            return newest, cursors
        # Some of what the client has not had is gone: it has to read the lists again.
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
        """Forget a connection; the last one of a tenant ends its feed. May be called again."""
        connection.closed = True
        if connection not in self.connections:
            return
        self.connections.discard(connection)
        _log("a client has left", connection)
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
        """Take a hint: events to look for at once, or how far an upload is."""
        tenant = notice.tenant
        if tenant not in self._feeds:
            return
        feed = self._feeds[tenant][0]
        if isinstance(notice, Changed):
            feed.wake()
            return
        json = messages.encoded(_document(notice))
        for one in feed.listeners:
            # Who reads slowly misses it. It is told at once: what is put off makes nobody `behind`.
            if isinstance(one, Connection) and not one.behind and one.sees(notice):
                one.tell_progress(json)

    # ---- sending away ----

    async def check_again_and_again(self, look: Callable[[], object]) -> None:
        """Send away those whose tokens hold no more; `look` is called each time."""
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
            # It may have a newer token by now.
            if connection.admitted is not admitted:
                continue
            if isinstance(found, ProblemError):
                self.spawn(self.send_away(connection, found))
            else:
                connection.principal = found

    def _rechecked(
        self, asked: list[tuple[Connection, Principal]]
    ) -> list[tuple[Connection, Principal, Principal | ProblemError]]:
        """Return for whom something is different now: what they reach, or that they have to go."""
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
            # What is not known yet says nothing against the token.
            come_again = reason.problem is UNAVAILABLE
            await connection.bye(messages.farewell(reason), come_again=come_again)

    async def drain(self, seconds: float) -> None:
        """Send everybody away, spread over ten seconds or as many as there are; then return."""
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
        """Count the connections, for the metrics: a transport may have become another one."""
        counts = Counter(connection.transport for connection in self.connections)
        for transport in metrics.TRANSPORTS:
            metrics.connections.labels(transport).set(counts[transport])

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something beside; it is kept until it ends."""
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
    """Return what clients are told; whose upload it is they know, or need not."""
    return {
        "upload": progress.upload,
        "bucket": progress.bucket,
        "key": progress.key,
        "offset": progress.offset,
        "length": progress.length,
        "rate": progress.rate,
    }
