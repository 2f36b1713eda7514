"""The clients of a tenant, which are programs with a secret, for its owners."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType

from servicekit.grants import Grant
from wharf_console.api.groups import GroupName
from wharf_console.api.pages import entries
from wharf_console.api.session import Session, address, decoded


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """A client; `state` is `active`, or permanently `disabled`.

    If `grants` is `None`, only the scopes limit the client.
    """

    client_id: str
    name: str
    scopes: tuple[str, ...]
    state: str
    created_at: datetime
    disabled_at: datetime | None = None
    grants: tuple[Grant, ...] | None = None
    groups: tuple[GroupName, ...] = ()


class NewClient(Client, frozen=True, kw_only=True):
    """A new client with its secret, which the API shows only once."""

    client_secret: str


class Clients(msgspec.Struct, frozen=True, kw_only=True):
    """A page of clients; `next_cursor` requests the next page, `None` is the end."""

    clients: tuple[Client, ...]
    next_cursor: str | None = None


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """A valid secret of a client; `hint` is its last characters."""

    secret_id: str
    hint: str
    created_at: datetime


class NewSecret(Secret, frozen=True, kw_only=True):
    """A new secret with its text, which the API shows only once."""

    client_secret: str


class _Secrets(msgspec.Struct, frozen=True):
    secrets: tuple[Secret, ...]


class Wanted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A new client, or the changes of an existing one.

    A member with its default value is not sent, so it changes nothing. `grants=None` removes all
    grants: only the scopes then limit the client.
    """

    name: str | None = None
    scopes: tuple[str, ...] | None = None
    grants: tuple[Grant, ...] | UnsetType | None = UNSET


def listed(session: Session, tenant: str, *, cursor: str = "", limit: int = 100) -> Clients:
    """Return a page of the tenant's clients, oldest first."""
    return session.get(_path(tenant), Clients, cursor=cursor, limit=limit)


def every(session: Session, tenant: str, *, at_most: int) -> Iterator[Client]:
    """Yield up to `at_most` clients of the tenant, oldest first, in as few calls as possible."""

    def page(cursor: str, limit: int) -> tuple[Sequence[Client], str | None]:
        found = listed(session, tenant, cursor=cursor, limit=limit)
        return found.clients, found.next_cursor

    return entries(page, at_most)


def read(session: Session, tenant: str, client_id: str) -> Client:
    """Return a client; raises the problem `not-found`."""
    return session.get(_path(tenant, client_id), Client)


def create(session: Session, tenant: str, wanted: Wanted) -> NewClient:
    """Add a client; raises the problem `unprocessable`."""
    return session.post(_path(tenant), wanted, NewClient)


def change(session: Session, tenant: str, client_id: str, wanted: Wanted) -> Client:
    """Change a client; raises the problem `unprocessable`."""
    return decoded(session.send("PATCH", _path(tenant, client_id), body=wanted), Client)


def disable(session: Session, tenant: str, client_id: str) -> None:
    """Disable a client permanently; raises the problem `not-found`."""
    session.send("DELETE", _path(tenant, client_id))


def secrets(session: Session, tenant: str, client_id: str) -> tuple[Secret, ...]:
    """Return the descriptions of a client's secrets, oldest first."""
    return session.get(_path(tenant, client_id, "secrets"), _Secrets).secrets


def add_secret(session: Session, tenant: str, client_id: str) -> NewSecret:
    """Give a client a second secret; raises the problem `too-many-secrets`."""
    return decoded(session.send("POST", _path(tenant, client_id, "secrets")), NewSecret)


def retire_secret(session: Session, tenant: str, client_id: str, secret_id: str) -> None:
    """End a secret; raises the problem `not-found`."""
    session.send("DELETE", _path(tenant, client_id, "secrets", secret_id))


def _path(tenant: str, *more: str) -> str:
    return address("auth", "v1", "tenants", tenant, "clients", *more)
