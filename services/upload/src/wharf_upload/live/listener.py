"""A connection, whichever protocol it speaks."""

from __future__ import annotations

from abc import ABC, abstractmethod

from servicekit.tokens import Principal
from wharf_upload.domain.events import Event
from wharf_upload.http.event_cursors import Cursor
from wharf_upload.live import messages, rules
from wharf_upload.live.feed import TenantFeed
from wharf_upload.live.messages import EventMessage


class Connection(ABC):
    """Who listens, and how far. `level`: it has once had everything; `closed`: it hears no more.

    `admitted` is who came with the last token, `principal` the same with what holds by now.
    `buckets` narrows it to events of these buckets; empty: it does not.
    """

    def __init__(self, principal: Principal) -> None:
        self.admitted = self.principal = principal
        self.buckets: frozenset[str] = frozenset()
        self.position = 0
        self.level = self.closed = self.is_late = self.resync_first = False
        self.feed: TenantFeed | None = None

    def admit(self, principal: Principal) -> None:
        """Go on with another token."""
        self.admitted = self.principal = principal

    def told(self, event: Event) -> Event | None:
        """Return an event as it hears it; `None`: not at all."""
        return rules.told(self.principal, self.buckets, event)

    def sees(self, progress: rules.ProgressOf) -> bool:
        """Tell whether an upload's progress is for it."""
        return rules.sees(self.principal, self.buckets, progress)

    async def resync(self, after: Cursor) -> None:
        """Tell the client to read the events after a cursor anew."""
        await self.say(messages.RESYNC, messages.encoded({"after": after}))

    @property
    @abstractmethod
    def transport(self) -> str:
        """`websocket`, `polling` or `sse`."""

    @property
    @abstractmethod
    def behind(self) -> bool:
        """Whether the client has not read what was sent: progress is not worth waiting for."""

    @abstractmethod
    async def send(self, message: EventMessage) -> None:
        """Send an event; waits while the client does not read."""

    @abstractmethod
    async def say(self, name: str, json: str) -> None:
        """Send something else; does not wait."""

    @abstractmethod
    def tell_progress(self, json: str) -> None:
        """Say how far an upload is, unless it is closed."""

    @abstractmethod
    async def bye(self, document: object, *, come_again: bool) -> None:
        """Say why, and end the connection."""

    @abstractmethod
    def wake(self) -> None:
        """Deliver soon."""
