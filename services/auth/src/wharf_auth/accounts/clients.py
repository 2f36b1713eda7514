"""The use cases of clients: create, change, disable and authenticate a client."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from servicekit.grants import Grant, Holder
from servicekit.ids import uuid7_hex
from servicekit.problems import NOT_FOUND, UNPROCESSABLE
from wharf_auth.accounts import grants, limits, secrets
from wharf_auth.accounts.secret_lane import NOBODY, Asker
from wharf_auth.accounts.tenants import ADMIN_TENANT
from wharf_auth.database.contract import (
    Client,
    NoSuchClient,
    NoSuchTenant,
    Records,
    Secret,
    TenantDeleted,
)
from wharf_auth.database.groups_contract import ClientChange, LimitedManager
from wharf_auth.domain import names, scopes
from wharf_auth.domain.acts import Actor
from wharf_auth.domain.clock import Clock, milliseconds
from wharf_auth.domain.tokens import last_expiry
from wharf_auth.problems import TENANT_DELETED


class LoginRefused(Exception):
    """The login is refused: the account is unknown or disabled, or the secret is wrong.

    The message does not tell which of these reasons applies.
    """


class TenantSuspended(Exception):
    """The secret is correct, but the tenant is suspended or deleted."""


def new_secret(secret: str, hasher: secrets.Hasher, now: int, asker: Asker = NOBODY) -> Secret:
    """Return the form of a secret that the records store: its hash and its hint."""
    return Secret(uuid7_hex(), secrets.hint_of(secret), hasher.hash(secret, asker), now)


def granted_scopes(tenant: str, wanted: Iterable[str]) -> tuple[str, ...]:
    """Return the scopes of a client in a fixed order.

    Raise the problem `unprocessable` if there is no scope, or if the client may not have a scope.
    """
    try:
        ordered = scopes.ordered(wanted)
    except scopes.UnknownScope as error:
        raise UNPROCESSABLE(f"There is an {error}.") from None
    if not ordered:
        raise UNPROCESSABLE("A client needs at least one scope.")
    if scopes.MEMBERS_SCOPE in ordered:
        raise UNPROCESSABLE(f"The scope {scopes.MEMBERS_SCOPE} is for people only, as owners.")
    if scopes.ADMIN_SCOPE in ordered and tenant != ADMIN_TENANT:
        # The scope gives access to all tenants. So the list of one tenant's clients must not hide
        # a client with this scope.
        raise UNPROCESSABLE(
            f"The scope {scopes.ADMIN_SCOPE} is for clients of the tenant {ADMIN_TENANT} only."
        )
    return ordered


def create(
    records: Records,
    hasher: secrets.Hasher,
    clock: Clock,
    *,
    tenant: str,
    name: str,
    wanted: Iterable[str],
    by: Actor,
    given: Sequence[Grant] | None = None,
) -> tuple[Client, str]:
    """Create a client; return it and its secret, which cannot be read again.

    `given` are its grants, or `None` for everything that its scopes allow. Raise `not-found`,
    `tenant-deleted`, `tenant-limit-reached`, `too-many-revocations`, `unprocessable`, or the
    exceptions of `SecretLane.turn`.
    """
    now, secret, identifier = milliseconds(clock), secrets.new_secret(), uuid7_hex()
    client = Client(
        identifier,
        tenant,
        names.label(name, "name"),
        granted_scopes(tenant, wanted),
        now,
        grants=grants.own(given, Holder(client=identifier)),
        reach_version=now,
    )
    grants.require_unlimited(client.scopes, client.grants)
    act = by.does("clients.create", tenant=tenant, about=client.id, at=now)
    try:
        with limits.as_problems():
            kept = new_secret(secret, hasher, now, Asker.acting(by))
            records.add_client(client, kept, act)
    except NoSuchTenant:
        raise NOT_FOUND("There is no such tenant.") from None
    except TenantDeleted:
        raise TENANT_DELETED(f"The tenant {tenant} is deleted.") from None
    return client, secret


def read(records: Records, tenant: str, client: str) -> Client:
    """Return one client; raise `not-found`."""
    found = records.client(tenant, client)
    if found is None:
        raise NOT_FOUND("The tenant has no such client.")
    return found


@dataclass(frozen=True, kw_only=True)
class Change:
    """The new values of a client; a value that is `UNSET` stays.

    `grants` is `None` to permit everything that the scopes allow.
    """

    name: str | msgspec.UnsetType = msgspec.UNSET
    scopes: Iterable[str] | msgspec.UnsetType = msgspec.UNSET
    grants: Sequence[Grant] | msgspec.UnsetType | None = msgspec.UNSET


def change(
    records: Records, clock: Clock, tenant: str, client: str, wanted: Change, by: Actor
) -> Client:
    """Change a client and return it.

    Raise `not-found` or `unprocessable`, or `tenant-limit-reached` if the grants of the tenant
    exceed their limit. All services apply the removal of a scope or grant within five seconds.
    """
    unset = msgspec.UNSET
    found = ClientChange(
        name=unset if wanted.name is unset else names.label(wanted.name, "name"),
        scopes=unset if wanted.scopes is unset else granted_scopes(tenant, wanted.scopes),
        grants=unset
        if wanted.grants is unset
        else grants.own(wanted.grants, Holder(client=client)),
    )
    act = by.does("clients.change", tenant=tenant, about=client, at=milliseconds(clock))
    try:
        with limits.as_problems():
            records.change_client(tenant, client, found, act)
    except NoSuchClient:
        raise NOT_FOUND("The tenant has no such client.") from None
    except LimitedManager:
        raise grants.limited_manager() from None
    return read(records, tenant, client)


def add_secret(
    records: Records, hasher: secrets.Hasher, clock: Clock, tenant: str, client: str, by: Actor
) -> tuple[Secret, str]:
    """Add a second secret; return its stored form and the secret itself.

    Raise `NoSuchClient` or `TooManySecrets`, or the exceptions of `SecretLane.turn`.
    """
    secret = secrets.new_secret()
    now = milliseconds(clock)
    kept = new_secret(secret, hasher, now, Asker.acting(by))
    act = by.does("clients.add-secret", tenant=tenant, about=client, at=now)
    records.add_secret(tenant, client, kept, act)
    return kept, secret


def retire_secret(
    records: Records, clock: Clock, tenant: str, client: str, secret: str, by: Actor
) -> bool:
    """Retire a secret; return whether it was valid until now. Raise `NoSuchClient`."""
    act = by.does("clients.retire-secret", tenant=tenant, about=client, at=milliseconds(clock))
    return records.retire_secret(tenant, client, secret, act)


def disable(records: Records, clock: Clock, tenant: str, client: str, by: Actor) -> None:
    """Disable a client and, through the feed, revoke its tokens; raise `not-found`."""
    now = milliseconds(clock)
    act = by.does("clients.disable", tenant=tenant, about=client, at=now)
    try:
        records.disable(tenant, client, last_expiry(now), act)
    except NoSuchClient:
        raise NOT_FOUND("The tenant has no such client.") from None


def authenticate(
    records: Records,
    hasher: secrets.Hasher,
    credentials: Iterable[tuple[str, str]],
    address: str = "",
) -> Client:
    """Return the client that one of these pairs of id and secret authenticates.

    Raise `LoginRefused`, `TenantSuspended`, `HashingBusy` or the problem `quota-exceeded`.
    """
    for identifier, secret in credentials:
        login = records.login(identifier)
        # The secret is verified before any other check. So the duration of a refusal does not show
        # its reason.
        asker = Asker.at(address, identifier)
        proven = hasher.matching(secret, login.secrets if login else (), asker)
        if login is None or not proven or login.client.disabled_at is not None:
            continue
        if login.tenant_suspended:
            raise TenantSuspended(login.client.tenant)
        return login.client
    raise LoginRefused
