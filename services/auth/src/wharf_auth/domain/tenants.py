"""Tenants: made, suspended, resumed."""

from __future__ import annotations

from servicekit.problems import NOT_FOUND
from wharf_auth.domain import names
from wharf_auth.domain.clock import Clock, milliseconds
from wharf_auth.problems import TENANT_EXISTS, TENANT_RESERVED
from wharf_auth.records.base import NameTaken, NoSuchTenant, Records, Tenant

# Its clients administer the installation. `wharf-auth init` makes it.
ADMIN_TENANT = "wharf-admin"


def create(records: Records, clock: Clock, name: str, display_name: str | None) -> Tenant:
    """Adds a tenant; raises `tenant-exists` or `unprocessable`."""
    tenant = Tenant(
        names.tenant_name(name),
        names.label(display_name or name, "display name"),
        milliseconds(clock),
    )
    try:
        records.add_tenant(tenant)
    except NameTaken:
        raise TENANT_EXISTS(f"There is a tenant {name} already.") from None
    return tenant


def read(records: Records, name: str) -> Tenant:
    """One tenant; raises `not-found`."""
    tenant = records.tenant(name)
    if tenant is None:
        raise NOT_FOUND("There is no such tenant.")
    return tenant


def suspend(records: Records, clock: Clock, name: str) -> None:
    """From now on its clients get no tokens; raises `not-found` or `tenant-reserved`."""
    if name == ADMIN_TENANT:
        raise TENANT_RESERVED(f"The tenant {ADMIN_TENANT} administers this installation.")
    try:
        records.suspend(name, milliseconds(clock))
    except NoSuchTenant:
        raise NOT_FOUND("There is no such tenant.") from None


def resume(records: Records, name: str) -> None:
    """Ends a suspension; raises `not-found`."""
    try:
        records.resume(name)
    except NoSuchTenant:
        raise NOT_FOUND("There is no such tenant.") from None
