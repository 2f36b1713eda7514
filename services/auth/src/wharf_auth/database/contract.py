"""The contract of the auth records, with the values they store. Times are unix milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from servicekit.grants import Compact
from servicekit.revocations import Feed
from wharf_auth.database.groups_contract import ClientChange, GroupRecords
from wharf_auth.database.people_contract import People
from wharf_auth.domain.acts import Act, AuditedAct

MAX_LIVE_SECRETS = 2
TenantState = Literal["active", "suspended", "deleted", "purged"]


class NameTaken(Exception):
    """A row with this name exists already; nothing was changed."""


class NoSuchTenant(Exception):
    """The tenant does not exist; nothing was changed."""


class TenantDeleted(Exception):
    """The tenant is deleted, and the call needs a live tenant; nothing was changed."""


class NoSuchClient(Exception):
    """The tenant has no such client; nothing was changed."""


class TooManySecrets(Exception):
    """The client has `MAX_LIVE_SECRETS` live secrets already; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant. `suspended_at` and `deleted_at` are `None` while the tenant is active.

    `purge_at` is the end of the grace period of a deleted tenant. `purged_at` is the time when its
    data was deleted. The row stays afterwards, so that no new tenant can take the name and get
    access to remaining data.
    """

    name: str
    display_name: str
    created_at: int
    suspended_at: int | None = None
    deleted_at: int | None = None
    purge_at: int | None = None
    purged_at: int | None = None

    @property
    def state(self) -> TenantState:
        """Return the state: the last one of suspended, deleted and purged, else active."""
        if self.purged_at is not None:
            return "purged"
        if self.deleted_at is not None:
            return "deleted"
        return "active" if self.suspended_at is None else "suspended"


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret of a client; `hint` is its last characters, by which people recognize it."""

    id: str
    hint: str
    hash: str
    created_at: int


@dataclass(frozen=True, slots=True)
class Client:
    """A program that gets tokens. `disabled_at` is `None` until the client is disabled.

    `grants` is `None` if the client reaches everything that its scopes allow. `reach_version`
    grows with each change of grants, scopes or groups.
    """

    id: str
    tenant: str
    name: str
    scopes: tuple[str, ...]
    created_at: int
    disabled_at: int | None = None
    grants: Compact | None = None
    reach_version: int = 0


@dataclass(frozen=True, slots=True)
class Login:
    """All data for the login of a client, read consistently.

    `secrets` are the valid secrets. `tenant_suspended` is true for suspended and for deleted
    tenants.
    """

    client: Client
    secrets: tuple[Secret, ...]
    tenant_suspended: bool


class TenantRecords(Protocol):
    """The records of tenants. Every call that has an act adds the act to the audit log.

    A change of a tenant's state also adds an entry to the feed.
    """

    def add_tenant(self, tenant: Tenant, act: Act) -> None:
        """Add a tenant; raise `NameTaken`, even for the name of a deleted or purged tenant."""

    def tenant(self, name: str) -> Tenant | None:
        """Return the tenant with this name; `None` if there is none."""

    def tenants(self, *, after: str, limit: int) -> list[Tenant]:
        """Return up to `limit` tenants with names after `after`, in the order of their names."""

    def rename_tenant(self, name: str, display_name: str, act: Act) -> None:
        """Change the display name; raise `NoSuchTenant` or `TenantDeleted`."""

    def suspend(self, name: str, act: Act) -> None:
        """Suspend a tenant; raise `NoSuchTenant` or `TenantDeleted`.

        A second call only adds its act.
        """

    def delete_tenant(self, name: str, purge_at: int, act: Act) -> None:
        """Mark a tenant as deleted; raise `NoSuchTenant`. A second call only adds its act."""

    def resume(self, name: str, act: Act) -> None:
        """Make a suspended or deleted tenant active again. A second call only adds its act.

        Raise `NoSuchTenant`. Raise `TenantDeleted` if `purge_at` is before or at `act.at`.
        """

    def due_for_purge(self, now: int) -> list[str]:
        """Return the names of tenants with a passed `purge_at` that are not purged yet."""

    def purge_tenant(self, name: str, act: Act) -> bool:
        """Delete the tenant's users, clients and groups; return whether the purge was due.

        The purge is due once: when the tenant is deleted and `purge_at` is before or at `act.at`.
        """


class ClientRecords(Protocol):
    """The records of clients. Each change adds its act to the audit log."""

    def add_client(self, client: Client, secret: Secret, act: Act) -> None:
        """Add a client with its first secret.

        Raise `NoSuchTenant`, `TenantDeleted`, `LimitReached`, or `NameTaken` for a known id.
        """

    def clients(self, tenant: str, *, after: str, limit: int) -> list[Client]:
        """Return up to `limit` clients of a tenant with ids after `after`, in order of their ids.

        Raise `NoSuchTenant`.
        """

    def client(self, tenant: str, client: str) -> Client | None:
        """Return the tenant's client with this id; `None` if there is none."""

    def change_client(self, tenant: str, client: str, change: ClientChange, act: Act) -> None:
        """Change a client; raise `NoSuchClient`, `LimitedManager` or `LimitReached`."""

    def disable(self, tenant: str, client: str, until: int, act: Act) -> None:
        """Disable a client permanently and remove it from its groups; raise `NoSuchClient`.

        A second call only adds its act. `until` (unix seconds) is the time when the client's last
        token has expired. If the tenant has too many disabled clients, the call deletes the clients
        that were disabled first.
        """

    def login(self, client: str) -> Login | None:
        """Return the client with this id and the data for its login; `None` if there is none."""

    def add_secret(self, tenant: str, client: str, secret: Secret, act: Act) -> None:
        """Add a live secret; raise `NoSuchClient` or `TooManySecrets`."""

    def retire_secret(self, tenant: str, client: str, secret: str, act: Act) -> bool:
        """Retire a secret; return whether it was live. Raise `NoSuchClient`."""


class RevocationRecords(Protocol):
    """The feed of revocations. Entries become visible in the order of their numbers.

    A follower that has read the feed up to a number therefore misses no entry below this number.
    """

    def feed(self, *, after: int, limit: int) -> Feed:
        """Return the entries with numbers above `after`, in order, read consistently.

        Return at most `limit` entries and at most 1 MiB of JSON, but at least one entry if there
        is one.
        """

    def prune_feed(self, now: int) -> int:
        """Remove the entries with `until` (unix seconds) before `now`; return their number."""

    def revoke_token(
        self, tenant: str, token: str, until: int, act: Act, *, with_derived: bool = False
    ) -> None:
        """Revoke an access token by its `jti`; raise `LimitReached`. A second call has no effect.

        `with_derived` also revokes the tokens that have this `jti` as their `sid`. So exchanged
        tokens end even if they do not name their parents, or if a service of an earlier release
        does not check the parents.
        """

    def revoked(self, tenant: str, *, tokens: Sequence[str], session: str, subject: str) -> bool:
        """Tell whether one of the tokens, the session or the subject is revoked.

        The subject is a client or user.
        """


class AuditRecords(Protocol):
    """The audit log. No call changes a line; only pruning removes lines."""

    def note(self, act: Act) -> None:
        """Add a line about an act that changed no record, for instance a refused request."""

    def audit(self, *, after: int, limit: int, tenant: str | None = None) -> list[AuditedAct]:
        """Return up to `limit` lines with numbers above `after`, in order.

        With `tenant`, return only the lines about this tenant.
        """

    def audit_before(
        self, *, before: int, limit: int, tenant: str | None = None
    ) -> list[AuditedAct]:
        """Return up to `limit` lines with numbers below `before`, the newest first.

        With `tenant`, return only the lines about this tenant.
        """

    def prune_audit(self, *, after: int, older_than: int) -> int:
        """Remove entries before `older_than`, and the oldest entries of tenants above their limit.

        The call counts the entries of a tenant only if an entry above the number `after` is about
        the tenant; with 0 for `after` it counts those of all tenants. One call removes at most
        50,000 entries. Return the `after` for the next call: it is unchanged if this call may have
        left entries to remove.
        """


class Records(
    TenantRecords,
    ClientRecords,
    People,
    GroupRecords,
    RevocationRecords,
    AuditRecords,
    Protocol,
):
    """All records of auth. Every change is one durable transaction; `prune_audit` needs several.

    Every call raises `servicekit.database.DatabaseUnavailable` when the database does not respond
    in time.
    """

    def check(self) -> str | None:
        """Return the fault of the schema, or `None`; raise `DatabaseUnavailable`."""
