"""The messages of the channel: events, encoded once for all their receivers, and problems."""

from __future__ import annotations

import msgspec
from engineio.packet import MESSAGE, Packet

from servicekit.problems import ProblemError
from wharf_upload.domain.events import Event
from wharf_upload.http import schemas
from wharf_upload.http.event_cursors import Cursor

EVENT, PROGRESS, RESYNC, BYE, RESULT = "event", "progress", "resync", "bye", "result"
RESTART = {"reason": "restart"}


class EventMessage:
    """An event and its document, which is the same as in `GET /v1/events`.

    A client that may read only one end of a move receives another form of the event
    (`access.events_in_reach`).
    """

    __slots__ = ("_forms", "_frame", "_packet", "cursor", "event", "json")

    def __init__(self, event: Event, cursor: Cursor) -> None:
        self.event, self.cursor = event, cursor
        self._forms: dict[str, EventMessage] = {}
        self.json = msgspec.json.encode(schemas.of_event(event, cursor)).decode()
        self._packet: Packet | None = None
        self._frame: bytes | None = None

    def as_heard(self, event: Event) -> EventMessage:
        """Return the message for the receivers that may see this event only in the form `event`."""
        if event is self.event:
            return self
        # An event has at most one form for each kind.
        form = self._forms.get(event.kind)
        if form is None:
            form = self._forms[event.kind] = EventMessage(event, self.cursor)
        return form

    @property
    def packet(self) -> Packet:
        """Return the event as a Socket.IO packet; it is made only once."""
        if self._packet is None:
            self._packet = packet(EVENT, self.json)
        return self._packet

    @property
    def frame(self) -> bytes:
        """Return the event as SSE bytes; they are made only once."""
        if self._frame is None:
            self._frame = frame(EVENT, self.json, self.cursor)
        return self._frame


def packet(name: str, json: str) -> Packet:
    """Return a Socket.IO event (protocol 5), which any number of connections can send.

    `name` is one of this module's constants, so it needs no escaping.
    """
    return Packet(MESSAGE, f'2["{name}",{json}]')


def frame(name: str, json: str, cursor: Cursor | None = None) -> bytes:
    """Return an event of an SSE stream; `json` must contain no line breaks."""
    identity = "" if cursor is None else f"id: {cursor}\n"
    return f"{identity}event: {name}\ndata: {json}\n\n".encode()


def encoded(document: object) -> str:
    """Return a document as JSON."""
    return msgspec.json.encode(document).decode()


def problem_document(error: ProblemError) -> dict[str, object]:
    """Return a problem's document, which is the same as over HTTP but without a request id."""
    problem = error.problem
    return {
        "type": problem.type,
        "title": problem.title,
        "status": problem.status,
        "detail": error.detail,
        **error.members,
    }


def farewell(error: ProblemError) -> dict[str, object]:
    """Return the document of a `bye` message with a problem as the reason."""
    return {"problem": problem_document(error)}
