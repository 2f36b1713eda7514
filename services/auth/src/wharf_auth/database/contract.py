"""The contract of the auth records, and what they hold. Times are unix milliseconds."""

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
    """A row with this name is there already; nothing was changed."""


class NoSuchTenant(Exception):
    """The tenant does not exist; nothing was changed."""


class TenantDeleted(Exception):
    """The tenant is deleted, and this cannot be done to it; nothing was changed."""


class NoSuchClient(Exception):
    """The tenant has no such client; nothing was changed."""


class TooManySecrets(Exception):
    """The client has `MAX_LIVE_SECRETS` already; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """A team. `suspended_at` and `deleted_at` are `None` while it may work.

    `purge_at` is when the grace time of a deleted tenant is over, `purged_at` when everything of
    it was given up; its row stays, so that nobody gets its name, and with it what is left of it.
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
        """What holds of it, the gravest first."""
        if self.purged_at is not None:
            return "purged"
        if self.deleted_at is not None:
            return "deleted"
        return "active" if self.suspended_at is None else "suspended"


@dataclass(frozen=True, slots=True)
class Secret:
    """One of a client's secrets: its hash, and the last characters for people."""

    id: str
    hint: str
    hash: str
    created_at: int


@dataclass(frozen=True, slots=True)
class Client:
    """A program that gets tokens. `disabled_at` is `None` while it may.

    `grants` are `None` for everything that the scopes allow. `reach_version` grows with each change
    of grants, scopes or groups.
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
    """All that a login needs, read at one moment: the client, its live secrets, its tenant.

    `tenant_suspended` is true of a deleted tenant too.
    """

    client: Client
    secrets: tuple[Secret, ...]
    tenant_suspended: bool


class TenantRecords(Protocol):
    """Tenants. Each change is noted in the audit log and, where it matters, in the feed."""

    def add_tenant(self, tenant: Tenant, act: Act) -> None:
        """Adds a tenant; raises `NameTaken`, also for the name of a deleted or purged one."""

    def tenant(self, name: str) -> Tenant | None:
        """The tenant of this name."""

    def tenants(self, *, after: str, limit: int) -> list[Tenant]:
        """Tenants in order of their names, those past `after`."""

    def rename_tenant(self, name: str, display_name: str, act: Act) -> None:
        """Changes the name for people; raises `NoSuchTenant` or `TenantDeleted`."""

    def suspend(self, name: str, act: Act) -> None:
        """Suspends, again without effect; raises `NoSuchTenant` or `TenantDeleted`."""

    def delete_tenant(self, name: str, purge_at: int, act: Act) -> None:
        """Deletes, again without effect; raises `NoSuchTenant`."""

    def resume(self, name: str, act: Act) -> None:
        """Ends suspension and deletion, again without effect.

        Raises `NoSuchTenant`, and `TenantDeleted` when `purge_at` has passed at `act.at`.
        """

    def due_for_purge(self, now: int) -> list[str]:
        """The deleted tenants whose `purge_at` has passed."""

    def purge_tenant(self, name: str, act: Act) -> bool:
        """Gives up what is kept of the tenant here, also its people; whether it was due.

        Only a deleted tenant whose `purge_at` has passed at `act.at` is purged, and once.
        """


class ClientRecords(Protocol):
    """Clients. Each change is noted in the audit log."""

    def add_client(self, client: Client, secret: Secret, act: Act) -> None:
        """Adds a client with its first secret.

        Raises `NoSuchTenant`, `TenantDeleted`, `LimitReached`, or `NameTaken` for its id.
        """

    def clients(self, tenant: str, *, after: str, limit: int) -> list[Client]:
        """Clients of a tenant in order of their ids, those past `after`; raises `NoSuchTenant`."""

    def client(self, tenant: str, client: str) -> Client | None:
        """The tenant's client of this id."""

    def change_client(self, tenant: str, client: str, change: ClientChange, act: Act) -> None:
        """Changes a client; raises `NoSuchClient`, `LimitedManager` or `LimitReached`."""

    def disable(self, tenant: str, client: str, until: int, act: Act) -> None:
        """Disables a client for good and takes it out of its groups, again without effect.

        Raises `NoSuchClient`. `until` (unix seconds) is when the last of its tokens has expired.
        Of many disabled clients those that were disabled first are removed.
        """

    def login(self, client: str) -> Login | None:
        """The client of this id with what a login needs."""

    def add_secret(self, tenant: str, client: str, secret: Secret, act: Act) -> None:
        """Adds a live secret; raises `NoSuchClient` or `TooManySecrets`."""

    def retire_secret(self, tenant: str, client: str, secret: str, act: Act) -> bool:
        """Ends a secret; whether it was live. Raises `NoSuchClient`."""


class RevocationRecords(Protocol):
    """The feed of revocations. Numbers become visible in their order: whoever has read the feed
    up to a number has read everything below it.
    """

    def feed(self, *, after: int, limit: int) -> Feed:
        """The entries past the number `after`, in order, all of one moment.

        At most `limit`, and no more than 1 MiB.
        """

    def prune_feed(self, now: int) -> int:
        """Removes the entries whose `until` (unix seconds) is before `now`; how many."""

    def revoke_token(
        self, tenant: str, token: str, until: int, act: Act, *, with_derived: bool = False
    ) -> None:
        """Revokes an access token by its `jti`, again without effect; raises `LimitReached`.

        `with_derived` ends those whose `sid` it is as well: what was exchanged for it and does not
        name its parents, or is judged by a release that does not look at them.
        """

    def revoked(self, tenant: str, *, tokens: Sequence[str], session: str, subject: str) -> bool:
        """Whether one of the tokens, the session or the subject (client or user) is revoked."""


class AuditRecords(Protocol):
    """The audit log: no line is changed, and lines are removed when their time is over alone."""

    def note(self, act: Act) -> None:
        """Adds a line about something that changed no record, e.g. a refusal."""

    def audit(self, *, after: int, limit: int, tenant: str | None = None) -> list[AuditedAct]:
        """Lines past the number `after`, in order; only those about `tenant` when it is given."""

    def audit_before(
        self, *, before: int, limit: int, tenant: str | None = None
    ) -> list[AuditedAct]:
        """Lines before a number, the newest first; only those about `tenant` when it is given."""

    def prune_audit(self, *, after: int, older_than: int) -> int:
        """Removes lines from before `older_than`, and the oldest ones of tenants with too many.

        Looks at the tenants that lines past the number `after` are about. Returns the number up to
        which nothing is left to do; some thousand lines at most are removed at once.
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
    """Every call is one durable transaction or one consistent read.

    All raise `servicekit.database.DatabaseUnavailable` when the database does not answer in time.
    """

    def check(self) -> str | None:
        """What is wrong with the schema, or `None`; raises when the database is out of reach."""
