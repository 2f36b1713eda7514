"""The contract of the auth records, and what they hold. Times are unix milliseconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

MAX_LIVE_SECRETS = 2


class NameTaken(Exception):
    """A row with this name is there already; nothing was changed."""


class NoSuchTenant(Exception):
    """The tenant does not exist; nothing was changed."""


class NoSuchClient(Exception):
    """The tenant has no such client; nothing was changed."""


class TooManySecrets(Exception):
    """The client has `MAX_LIVE_SECRETS` already; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """A team. `suspended_at` is `None` while it may work."""

    name: str
    display_name: str
    created_at: int
    suspended_at: int | None = None


@dataclass(frozen=True, slots=True)
class Secret:
    """One of a client's secrets: its hash, and the last characters for people."""

    id: str
    hint: str
    hash: str
    created_at: int


@dataclass(frozen=True, slots=True)
class Client:
    """A program that gets tokens. `disabled_at` is `None` while it may."""

    id: str
    tenant: str
    name: str
    scopes: tuple[str, ...]
    created_at: int
    disabled_at: int | None = None


@dataclass(frozen=True, slots=True)
class Login:
    """All that a login needs, read at one moment: the client, its live secrets, its tenant."""

    client: Client
    secrets: tuple[Secret, ...]
    tenant_suspended: bool


class Records(Protocol):
    """Every call is one durable transaction or one consistent read.

    All raise `servicekit.database.DatabaseUnavailable` when the database does not answer in time.
    """

    def check(self) -> None:
        """Raises when the database cannot be used: out of reach, or without its tables."""

    def add_tenant(self, tenant: Tenant) -> None:
        """Adds a tenant; raises `NameTaken`."""

    def tenant(self, name: str) -> Tenant | None:
        """The tenant of this name."""

    def tenants(self, *, after: str, limit: int) -> list[Tenant]:
        """Tenants in order of their names, those past `after`."""

    def suspend(self, name: str, at: int) -> None:
        """Suspends a tenant, again without effect; raises `NoSuchTenant`."""

    def resume(self, name: str) -> None:
        """Ends a suspension, again without effect; raises `NoSuchTenant`."""

    def add_client(self, client: Client, secret: Secret) -> None:
        """Adds a client with its first secret; raises `NoSuchTenant` or `NameTaken` for its id."""

    def clients(self, tenant: str, *, after: str, limit: int) -> list[Client]:
        """Clients of a tenant in order of their ids, those past `after`; raises `NoSuchTenant`."""

    def disable(self, tenant: str, client: str, at: int) -> None:
        """Disables a client for good, again without effect; raises `NoSuchClient`."""

    def login(self, client: str) -> Login | None:
        """The client of this id with what a login needs."""

    def add_secret(self, tenant: str, client: str, secret: Secret) -> None:
        """Adds a live secret; raises `NoSuchClient` or `TooManySecrets`."""

    def retire_secret(self, tenant: str, client: str, secret: str, at: int) -> bool:
        """Ends a secret; whether it was live. Raises `NoSuchClient`."""
