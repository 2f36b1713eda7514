"""The record of a person's tokens, and what keeps such records."""

from __future__ import annotations

import secrets
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Who is logged in. A new role ends the person's sessions, so this holds as long as one.

    The scopes are those of the access token: groups add some, and take them away.
    """

    user_id: str
    tenant: str
    username: str
    display_name: str
    role: str
    scopes: frozenset[str]
    tenant_display_name: str = ""


class TokenRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A person's tokens; the access token is used until `good_until` (unix seconds)."""

    person: Person
    access_token: str
    refresh_token: str
    good_until: float


class TokenRecords(Protocol):
    """Keeps token records by an id that only the session of the console knows."""

    def read(self, record_id: str) -> TokenRecord | None:
        """Return the record, or `None` where there is none (any more)."""

    def write(self, record_id: str, record: TokenRecord) -> None:
        """Keep the record; the caller has the lock, or the id is new."""

    def delete(self, record_id: str) -> None:
        """Forget the record."""

    def locked(self, record_id: str) -> AbstractContextManager[None]:
        """Hold the record's lock for the length of the block; others wait, in all processes.

        Raises `RecordBusy` where another has it for longer than any refresh takes.
        """


class RecordBusy(Exception):
    """Another request has had the lock of the record for too long."""


def new_id() -> str:
    """Return an id that nobody can guess."""
    return secrets.token_urlsafe(32)


def encoded(record: TokenRecord) -> bytes:
    """Return the record as bytes."""
    return msgspec.msgpack.encode(record)


def decoded(content: bytes) -> TokenRecord | None:
    """Return the record; `None` where another release has written something else."""
    try:
        return msgspec.msgpack.decode(content, type=TokenRecord)
    except msgspec.DecodeError:
        return None
