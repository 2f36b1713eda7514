"""The use cases of tenants: create, rename, suspend, delete, resume and purge."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from servicekit.problems import NOT_FOUND
from wharf_auth.database.contract import NameTaken, NoSuchTenant, Records, Tenant, TenantDeleted
from wharf_auth.domain import names
from wharf_auth.domain.acts import SERVICE, Actor
from wharf_auth.domain.clock import Clock, milliseconds
from wharf_auth.problems import TENANT_DELETED, TENANT_EXISTS, TENANT_RESERVED

# The clients of this tenant administer the installation. `wharf-auth init` creates it.
ADMIN_TENANT = "wharf-admin"


def create(
    records: Records, clock: Clock, name: str, display_name: str | None, by: Actor
) -> Tenant:
    """Create a tenant; raise `tenant-exists` or `unprocessable`."""
    now = milliseconds(clock)
    tenant = Tenant(names.tenant_name(name), names.label(display_name or name, "display name"), now)
    try:
        records.add_tenant(tenant, by.does("tenants.create", tenant=name, about=name, at=now))
    except NameTaken:
        raise TENANT_EXISTS(f"A tenant {name} exists or existed: names are never reused.") from None
    return tenant


def read(records: Records, name: str) -> Tenant:
    """Return one tenant; raise `not-found`."""
    tenant = records.tenant(name)
    if tenant is None:
        raise NOT_FOUND("There is no such tenant.")
    return tenant


def rename(records: Records, clock: Clock, name: str, display_name: str, by: Actor) -> None:
    """Change the display name; raise `not-found`, `tenant-deleted` or `unprocessable`."""
    label = names.label(display_name, "display name")
    act = by.does("tenants.rename", tenant=name, about=name, at=milliseconds(clock))
    with _problems(name):
        records.rename_tenant(name, label, act)


def suspend(records: Records, clock: Clock, name: str, by: Actor) -> None:
    """Suspend a tenant: its people and clients get no tokens, and no service serves its files.

    Raise `not-found`, `tenant-deleted` or `tenant-reserved`.
    """
    _refuse_reserved(name)
    act = by.does("tenants.suspend", tenant=name, about=name, at=milliseconds(clock))
    with _problems(name):
        records.suspend(name, act)


def delete(records: Records, clock: Clock, name: str, grace_seconds: int, by: Actor) -> None:
    """Delete a tenant: refuse its requests now, and delete its data after the grace period.

    Raise `not-found` or `tenant-reserved`.
    """
    _refuse_reserved(name)
    now = milliseconds(clock)
    act = by.does("tenants.delete", tenant=name, about=name, at=now)
    with _problems(name):
        records.delete_tenant(name, now + grace_seconds * 1000, act)


def resume(records: Records, clock: Clock, name: str, by: Actor) -> None:
    """End the suspension of a tenant or, within the grace period, its deletion.

    Raise `not-found` or `tenant-deleted`.
    """
    act = by.does("tenants.resume", tenant=name, about=name, at=milliseconds(clock))
    with _problems(name):
        records.resume(name, act)


def purge_due(records: Records, clock: Clock, by: Actor | None = None) -> list[str]:
    """Purge the deleted tenants whose grace period has ended; return their names."""
    now = milliseconds(clock)
    actor = by or Actor(SERVICE)
    return [
        name
        for name in records.due_for_purge(now)
        if records.purge_tenant(name, actor.does("tenants.purge", tenant=name, about=name, at=now))
    ]


def _refuse_reserved(name: str) -> None:
    if name == ADMIN_TENANT:
        raise TENANT_RESERVED(f"The tenant {ADMIN_TENANT} administers this installation.")


@contextmanager
def _problems(name: str) -> Iterator[None]:
    try:
        yield
    except NoSuchTenant:
        raise NOT_FOUND("There is no such tenant.") from None
    except TenantDeleted:
        raise TENANT_DELETED(f"The tenant {name} is deleted.") from None
