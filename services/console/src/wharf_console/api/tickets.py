"""Upload tickets: made for a page's scripts and for guests, and what one allows."""

from __future__ import annotations

from datetime import datetime
from typing import NoReturn

import msgspec

from wharf_console.api.problems import SessionEnded
from wharf_console.api.session import Session, Transport

# Where any number of files may come. Files without a limit are not counted, and nobody could tell a
# guest afterwards whether they have arrived.
ANY_NUMBER = 1_000_000_000


class Place(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a ticket is to allow: `key` for one file, else `prefix`. What is left out is not narrow.

    `redirect` holds the addresses that a plain form may lead to; the first one is where it leads.
    """

    bucket: str
    key: str | None = None
    prefix: str | None = None
    max_file_bytes: int | None = None
    allowed_types: tuple[str, ...] = ()
    max_files: int | None = None
    redirect: tuple[str, ...] = ()
    create_only: bool = False
    methods: tuple[str, ...] = ()


class MadeTicket(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket, good for `expires_in` seconds."""

    access_token: str
    expires_in: int


class TicketRules(msgspec.Struct, frozen=True, kw_only=True):
    """What a ticket allows, and how many files have come with it."""

    tenant: str
    bucket: str
    key: str | None
    prefix: str | None
    max_file_bytes: int
    allowed_types: tuple[str, ...]
    allowed_extensions: tuple[str, ...]
    max_files: int | None
    files: int
    expires_at: datetime

    @property
    def left(self) -> int | None:
        """How many files may still come; `None` for any number."""
        if self.max_files is None or self.max_files >= ANY_NUMBER:
            return None
        return max(0, self.max_files - self.files)

    @property
    def accept(self) -> str:
        """What a field for files offers first (`accept` in HTML); the API decides by the bytes."""
        if self.allowed_extensions:
            # Browsers compare what stands behind the last dot.
            ends = (extension.rpartition(".")[2] for extension in self.allowed_extensions)
            return ",".join(f".{end}" for end in dict.fromkeys(ends))
        return ",".join(one for one in self.allowed_types if not one.startswith("*"))


def make(session: Session, place: Place, *, seconds: int) -> MadeTicket:
    """Return a ticket of the person; raises the problem `invalid_request` for a wrong place."""
    form = {"ticket": msgspec.json.encode(place).decode(), "expires_in": str(seconds)}
    return session.exchange(form, MadeTicket)


def rules(transport: Transport, ticket: str) -> TicketRules:
    """Return what a ticket allows; raises `SessionEnded` where it is not good (any more)."""
    return Session(transport, _Holder(ticket)).get("/v1/ticket", TicketRules)


class _Holder:
    """Whoever has a ticket: there is no other one after it."""

    def __init__(self, ticket: str) -> None:
        self._ticket = ticket

    def current(self) -> str:
        """Return the ticket."""
        return self._ticket

    def after(self, refused: str) -> NoReturn:  # noqa: ARG002 -- of the protocol
        """Raise `SessionEnded`: the ticket's time is over."""
        raise SessionEnded("token-expired")
