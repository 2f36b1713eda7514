"""The commands `wharf-auth tenant`: the customers of the installation."""

from __future__ import annotations

import time

import click
import msgspec

from wharf_auth import settings as auth_settings
from wharf_auth.accounts import tenants
from wharf_auth.commands.shared import BY, PAGE, as_json, pages, records, show
from wharf_auth.routes import tenants as tenant_routes


@click.group()
def tenant() -> None:
    """Manage tenants: the customers of the installation."""


@tenant.command("create")
@click.argument("name")
@click.option("--display-name", help="The name that people see.")
@as_json
def tenant_create(name: str, display_name: str | None, *, machine: bool) -> None:
    """Create the tenant NAME."""
    made = tenants.create(records(), time.time, name, display_name, BY)
    show(tenant_routes.answer(made), f"created the tenant {name}", machine=machine)


@tenant.command("list")
@as_json
def tenant_list(*, machine: bool) -> None:
    """List all tenants."""
    kept = records()
    for found in pages(
        lambda after: kept.tenants(after=after, limit=PAGE), lambda one: one.name, ""
    ):
        shown = tenant_routes.answer(found)
        show(shown, f"{shown.tenant:32} {shown.state:10} {shown.display_name}", machine=machine)


@tenant.command("show")
@click.argument("name")
@as_json
def tenant_show(name: str, *, machine: bool) -> None:
    """Show the tenant NAME."""
    shown = tenant_routes.answer(tenants.read(records(), name))
    lines = "\n".join(f"{key}: {value}" for key, value in msgspec.structs.asdict(shown).items())
    show(shown, lines, machine=machine)


@tenant.command("suspend")
@click.argument("name")
def tenant_suspend(name: str) -> None:
    """Suspend the tenant NAME: it gets no tokens, and none of its files is served."""
    tenants.suspend(records(), time.time, name, BY)


@tenant.command("rename")
@click.argument("name")
@click.argument("display_name")
def tenant_rename(name: str, display_name: str) -> None:
    """Change the display name of the tenant NAME."""
    tenants.rename(records(), time.time, name, display_name, BY)


@tenant.command("delete")
@click.argument("name")
def tenant_delete(name: str) -> None:
    """Delete the tenant NAME: suspend it now, and remove its data after the grace period."""
    kept = records()
    tenants.delete(kept, time.time, name, auth_settings.read().tenant_grace_seconds, BY)
    shown = tenant_routes.answer(tenants.read(kept, name))
    click.echo(f"deleted; `wharf-auth tenant resume {name}` undoes it until {shown.purge_at}")


@tenant.command("resume")
@click.argument("name")
def tenant_resume(name: str) -> None:
    """End the suspension of the tenant NAME or, within the grace period, its deletion."""
    tenants.resume(records(), time.time, name, BY)
