"""The clients of a tenant, programs that have a secret, for its owners."""

from __future__ import annotations

from datetime import datetime

import msgspec

from wharf_console.api.session import Session, address, decoded

_PAGE, _PAGES = 1000, 20


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """A client; `state` is `active` or `disabled`, which is for good."""

    client_id: str
    name: str
    scopes: tuple[str, ...]
    state: str
    created_at: datetime
    disabled_at: datetime | None = None


class NewClient(Client, frozen=True, kw_only=True):
    """A new client; its secret is told this once."""

    client_secret: str


class Clients(msgspec.Struct, frozen=True, kw_only=True):
    """A page of clients; `next_cursor` gets the next page, `None` at the end."""

    clients: tuple[Client, ...]
    next_cursor: str | None = None


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """A secret that is in use; `hint` are its last characters."""

    secret_id: str
    hint: str
    created_at: datetime


class NewSecret(Secret, frozen=True, kw_only=True):
    """A new secret; it is told this once."""

    client_secret: str


class _Secrets(msgspec.Struct, frozen=True):
    secrets: tuple[Secret, ...]


class _Wanted(msgspec.Struct, frozen=True):
    name: str
    scopes: tuple[str, ...]


def listed(session: Session, tenant: str, *, cursor: str = "", limit: int = 100) -> Clients:
    """Return a page of the tenant's clients, oldest first."""
    return session.get(_path(tenant), Clients, cursor=cursor, limit=limit)


def find(session: Session, tenant: str, client_id: str) -> Client | None:
    """Return a client; the API has them in its list alone."""
    cursor = ""
    for _ in range(_PAGES):
        page = listed(session, tenant, cursor=cursor, limit=_PAGE)
        for client in page.clients:
            if client.client_id == client_id:
                return client
        if not page.next_cursor:
            return None
        cursor = page.next_cursor
    return None


def create(session: Session, tenant: str, name: str, scopes: tuple[str, ...]) -> NewClient:
    """Add a client; raises the problem `unprocessable`."""
    return session.post(_path(tenant), _Wanted(name, scopes), NewClient)


def disable(session: Session, tenant: str, client_id: str) -> None:
    """Disable a client for good; raises the problem `not-found`."""
    session.send("DELETE", _path(tenant, client_id))


def secrets(session: Session, tenant: str, client_id: str) -> tuple[Secret, ...]:
    """Return what is known of a client's secrets, oldest first."""
    return session.get(_path(tenant, client_id, "secrets"), _Secrets).secrets


def add_secret(session: Session, tenant: str, client_id: str) -> NewSecret:
    """Give a client a second secret; raises the problem `too-many-secrets`."""
    return decoded(session.send("POST", _path(tenant, client_id, "secrets")), NewSecret)


def retire_secret(session: Session, tenant: str, client_id: str, secret_id: str) -> None:
    """End a secret; raises the problem `not-found`."""
    session.send("DELETE", _path(tenant, client_id, "secrets", secret_id))


def _path(tenant: str, *more: str) -> str:
    return address("auth", "v1", "tenants", tenant, "clients", *more)
