"""Tests of the hub: to which listeners it passes progress and events."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from servicekit.grants import CompactGrant
from servicekit.problems import UNAVAILABLE
from servicekit.reach import EVERYTHING, reach_of
from servicekit.tokens import Principal
from tests.servers.upload import new_file
from wharf_upload.domain.events import Event
from wharf_upload.http.event_cursors import cursor_of
from wharf_upload.live.answers import Message
from wharf_upload.live.hub import Following, Hub
from wharf_upload.live.limits import Seats
from wharf_upload.live.positions import Position
from wharf_upload.live.sse import SseConnection
from wharf_upload.live.threads import EventReader, Threads
from wharf_upload.notices.messages import Progress

UPLOADS = 1000


class Stored:
    """A table with one event, number 50; the events up to number 40 were dropped."""

    def events(self, *_: object) -> list[Event]:
        """Return the event."""
        return [Event(seq=50, kind="quota.warning", at=1)]

    events_before = events

    def events_dropped(self, _: str) -> int:
        """Return the number of the last dropped event."""
        return 40

    def event_numbers_changed_at(self) -> int | None:
        """Return None, as in an installation whose event numbers never changed."""
        return None


def principal(tenant: str) -> Principal:
    """Return a principal that may listen to all uploads of a tenant."""
    return Principal(
        tenant=tenant,
        subject="s",
        scopes=frozenset(("files:read",)),
        token_id="t",
        expires_at=1 << 40,
    )


def progress(number: int, tenant: str = "acme") -> Progress:
    """Return a progress notice of one of many uploads."""
    return Progress(tenant, "s", f"upload-{number}", "b", "key", number, None, 1)


def with_hub(act: Callable[[Hub], Awaitable[None]]) -> None:
    """Call a function with a hub that reads from the table with one event."""
    threads = Threads(1, "test")
    judge: Any = None
    seats = Seats(per_subject=10, per_tenant=10, total=10)

    async def run() -> None:
        reader = EventReader(Stored(), threads, 3600)
        await act(Hub(Following(reader, 10, look_seconds=3600), judge, seats, threads))

    try:
        asyncio.run(run())
    finally:
        threads.end()


def test_a_burst_does_not_pile_up() -> None:
    """A listener gets a few notices of a large burst, and the hub drops the rest."""
    written: list[bytes] = []

    async def send(message: Message) -> None:
        written.append(message["body"])

    async def burst(hub: Hub) -> None:
        listener = SseConnection(principal("acme"), send)
        await hub.join(listener, None)
        for number in range(UPLOADS):
            hub.receive(progress(number))
        # Let the delayed messages be sent.
        for _ in range(3):
            await asyncio.sleep(0)
        listener.end()
        await listener.run()
        hub.leave(listener)

    with_hub(burst)
    assert 0 < b"".join(written).count(b"event: progress") < 200


@pytest.mark.parametrize(
    ("after", "is_told"), [(None, False), (0, False), (39, True), (40, False), (50, False)]
)
def test_who_comes_after_events_are_gone_is_told(
    after: int | None,
    is_told: bool,  # noqa: FBT001 -- of a table
) -> None:
    """A client gets `resync` only if events after its position were dropped and its position is
    not 0.
    """
    told: list[bool] = []

    async def send(_: Message) -> None:
        """Discard the message."""

    async def come(hub: Hub) -> None:
        listener = SseConnection(principal("acme"), send)
        position = None if after is None else Position(cursor_of("acme", after), "after")
        await hub.join(listener, position)
        told.append(listener.resync_first)
        hub.leave(listener)

    with_hub(come)
    assert told == [is_told]


class Counting(SseConnection):
    """A connection that counts how often the hub asks it about an upload."""

    looks = 0

    def sees(self, progress: Any) -> bool:
        """Return False and count the call."""
        del progress
        self.looks += 1
        return False


def test_uploads_of_a_tenant_cost_others_nothing() -> None:
    """The hub asks only listeners of the upload's tenant, and does not search all listeners."""

    async def send(_: Message) -> None:
        """Discard the message."""

    async def tell(hub: Hub) -> None:
        acme, other = (Counting(principal(tenant), send) for tenant in ("acme", "other"))
        for listener in (acme, other):
            await hub.join(listener, None)
        hub.connections = Asked(hub.connections)
        hub.receive(progress(1))
        assert acme.looks == 1
        assert other.looks == 0
        assert not hub.connections.walks
        for listener in (acme, other):
            hub.leave(listener)

    with_hub(tell)


class Changing:
    """A judge whose reach and scopes the test sets, and that fails while `problem` is set."""

    def __init__(self) -> None:
        self.reach, self.problem = EVERYTHING, False
        self.scopes = frozenset(("files:read",))

    def recheck(self, principal: Principal) -> Principal:
        """Return the principal with the current reach and scopes."""
        if self.problem:
            raise UNAVAILABLE("Not known yet.")
        scopes = principal.scopes & self.scopes
        return msgspec.structs.replace(principal, reach=self.reach, scopes=scopes)


def test_reach_is_judged_anew() -> None:
    """A change of grants applies to an open connection, for events and for uploads.

    A check of the token that fails closes the connection.
    """

    async def send(_: Message) -> None:
        """Discard the message."""

    async def change(hub: Hub) -> None:
        judge: Any = Changing()
        hub._judge = judge
        listener = SseConnection(principal("acme"), send)
        await hub.join(listener, None)
        event = Event(seq=1, kind="file.created", at=1, file=new_file("key", bucket="b"))
        for grants, hears in ([], False), ([CompactGrant("b", "k", "r")], True):
            judge.reach = reach_of(grants)
            await hub._check()
            assert (listener.told(event) is not None) == hears
            assert listener.sees(progress(1)) == hears
        judge.problem = True
        await hub._check()
        await asyncio.sleep(0)
        assert listener.closed
        hub.leave(listener)

    with_hub(change)


def test_a_scope_that_is_given_back_counts_again() -> None:
    """A scope that was withdrawn and granted again applies to the open connection."""

    async def send(_: Message) -> None:
        """Discard the message."""

    async def change(hub: Hub) -> None:
        changing = Changing()
        judge: Any = changing
        hub._judge = judge
        listener = SseConnection(principal("acme"), send)
        await hub.join(listener, None)
        for scopes, hears in (frozenset[str](), False), (frozenset(("files:read",)), True):
            changing.scopes = scopes
            await hub._check()
            assert listener.sees(msgspec.structs.replace(progress(1), owner="other")) == hears
        hub.leave(listener)

    with_hub(change)


class Asked(set[Any]):
    """A set that counts the complete iterations over it."""

    walks = 0

    def __iter__(self) -> Any:
        self.walks += 1
        return super().__iter__()
