"""The base class of connections of all protocols."""

from __future__ import annotations

from abc import ABC, abstractmethod

from servicekit.tokens import Principal
from wharf_upload.domain.events import Event
from wharf_upload.http.event_cursors import Cursor
from wharf_upload.live import messages, rules
from wharf_upload.live.feed import TenantFeed
from wharf_upload.live.messages import EventMessage


class Connection(ABC):
    """A client's connection, its principal and its position in the tenant's events.

    `admitted` is the principal of the last token; `principal` is the same principal with its
    current scopes and reach. If `buckets` is not empty, the client gets only events of these
    buckets. `level`: the connection has once received all events. `closed`: the connection receives
    no more events.
    """

    def __init__(self, principal: Principal) -> None:
        self.admitted = self.principal = principal
        self.buckets: frozenset[str] = frozenset()
        self.position = 0
        self.level = self.closed = self.is_late = self.resync_first = False
        self.feed: TenantFeed | None = None

    def admit(self, principal: Principal) -> None:
        """Continue with the principal of a new token."""
        self.admitted = self.principal = principal

    def told(self, event: Event) -> Event | None:
        """Return the event in the form that this client may receive, or `None`."""
        return rules.told(self.principal, self.buckets, event)

    def sees(self, progress: rules.ProgressOf) -> bool:
        """Tell whether this client may receive the progress of an upload."""
        return rules.sees(self.principal, self.buckets, progress)

    async def resync(self, after: Cursor) -> None:
        """Tell the client to read the events after a cursor again."""
        await self.say(messages.RESYNC, messages.encoded({"after": after}))

    @property
    @abstractmethod
    def transport(self) -> str:
        """Return the transport: `websocket`, `polling` or `sse`."""

    @property
    @abstractmethod
    def behind(self) -> bool:
        """Tell whether the client is so far behind that it gets no progress messages."""

    @abstractmethod
    async def send(self, message: EventMessage) -> None:
        """Send an event; wait while the client does not read."""

    @abstractmethod
    async def say(self, name: str, json: str) -> None:
        """Send a message that is not an event, without waiting for the client."""

    @abstractmethod
    def tell_progress(self, json: str) -> None:
        """Send an upload's progress, unless the connection is closed."""

    @abstractmethod
    async def bye(self, document: object, *, come_again: bool) -> None:
        """Send the reason and end the connection.

        With `come_again` the message tells the client to reconnect.
        """

    @abstractmethod
    def wake(self) -> None:
        """Start the delivery of events soon."""
