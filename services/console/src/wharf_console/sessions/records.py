"""The record of a person's tokens, and the protocol of its stores."""

from __future__ import annotations

import secrets
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """The person who is logged in. A new role ends the person's sessions, so the role stays valid.

    The scopes are those of the access token. They depend on the person's role and groups.
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
    """A store of token records by an id that only the session of the console contains."""

    def read(self, record_id: str) -> TokenRecord | None:
        """Return the record, or `None` if it does not exist."""

    def write(self, record_id: str, record: TokenRecord) -> None:
        """Store the record; the caller has the lock, or the id is new."""

    def delete(self, record_id: str) -> None:
        """Delete the record."""

    def locked(self, record_id: str) -> AbstractContextManager[None]:
        """Hold the record's lock during the block; other threads and processes wait for it.

        A store may raise `RecordBusy` if another request has the lock for longer than a refresh
        takes.
        """


class RecordBusy(Exception):
    """Another request has had the lock of the record for too long."""


def new_id() -> str:
    """Return an id that cannot be guessed."""
    return secrets.token_urlsafe(32)


def encoded(record: TokenRecord) -> bytes:
    """Return the record as bytes."""
    return msgspec.msgpack.encode(record)


def decoded(content: bytes) -> TokenRecord | None:
    """Return the record; `None` if another release has written another format."""
    try:
        return msgspec.msgpack.decode(content, type=TokenRecord)
    except msgspec.DecodeError:
        return None
