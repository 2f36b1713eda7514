"""Upload tickets: makes tickets for scripts and guests, and reads the rules of a ticket."""

from __future__ import annotations

from datetime import datetime
from typing import NoReturn

import msgspec

from wharf_console.api.problems import SessionEnded
from wharf_console.api.session import Session, Transport

# The limit for any number of files. Without a limit the API does not count files, and the console
# could not show a guest whether the files have arrived.
ANY_NUMBER = 1_000_000_000


class Place(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The rules of a new ticket: `key` for one file, else `prefix`. A default value sets no rule.

    `redirect` has the addresses to which the API may redirect after a plain form; by default the
    API redirects to the first of these addresses.
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
    """A ticket that is valid for `expires_in` seconds."""

    access_token: str
    expires_in: int


class TicketRules(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of a ticket, and the number of files that were uploaded with it."""

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
        """Return how many files the ticket still allows; `None` for any number."""
        if self.max_files is None or self.max_files >= ANY_NUMBER:
            return None
        return max(0, self.max_files - self.files)

    @property
    def accept(self) -> str:
        """Return the attribute `accept` of a file field; it is a hint, and the API decides."""
        if self.allowed_extensions:
            # Browsers compare only the text after the last dot.
            ends = (extension.rpartition(".")[2] for extension in self.allowed_extensions)
            return ",".join(f".{end}" for end in dict.fromkeys(ends))
        return ",".join(one for one in self.allowed_types if not one.startswith("*"))


def make(session: Session, place: Place, *, seconds: int) -> MadeTicket:
    """Make a ticket of the person; raises the problem `invalid_request` for wrong rules."""
    form = {"ticket": msgspec.json.encode(place).decode(), "expires_in": str(seconds)}
    return session.exchange(form, MadeTicket)


def rules(transport: Transport, ticket: str) -> TicketRules:
    """Return the rules of a ticket; raises `SessionEnded` if the ticket is not valid."""
    return Session(transport, _Holder(ticket)).get("/v1/ticket", TicketRules)


class _Holder:
    """A token source with a ticket as its only token."""

    def __init__(self, ticket: str) -> None:
        self._ticket = ticket

    def current(self) -> str:
        """Return the ticket."""
        return self._ticket

    def after(self, refused: str) -> NoReturn:  # noqa: ARG002 -- required by the protocol
        """Raise `SessionEnded`, because the ticket has expired."""
        raise SessionEnded("token-expired")
