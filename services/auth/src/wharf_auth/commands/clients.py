"""The commands `wharf-auth client`: the programs of a tenant."""

from __future__ import annotations

import time
from typing import Any

import click
import msgspec

from servicekit.problems import NOT_FOUND
from wharf_auth.accounts import clients, secrets
from wharf_auth.commands.grants import chosen, grant_options, told
from wharf_auth.commands.shared import BY, PAGE, as_json, records, show, with_groups
from wharf_auth.database.contract import Client, NoSuchClient, NoSuchTenant, Records, TooManySecrets
from wharf_auth.domain.scopes import CLIENT_SCOPES
from wharf_auth.routes import clients as client_routes
from wharf_auth.routes import tenants as tenant_routes


@click.group()
def client() -> None:
    """Manage clients: the programs of a tenant."""


@client.command("create")
@click.argument("tenant_name", metavar="TENANT")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    help=f"May be repeated: {' '.join(CLIENT_SCOPES)}.",
)
@grant_options
@as_json
def client_create(
    tenant_name: str, name: str, scopes: tuple[str, ...], *, machine: bool, **options: Any
) -> None:
    """Create a client NAME of TENANT. Only this command prints its secret.

    Without grants the client reaches everything that its scopes allow.
    """
    given = chosen(options, None)
    made, secret = clients.create(
        records(),
        secrets.Hasher(),
        time.time,
        tenant=tenant_name,
        name=name,
        wanted=scopes,
        given=given,
        by=BY,
    )
    shown = client_routes.with_secret(made, secret)
    show(shown, f"client_id: {made.id}\nclient_secret: {secret}", machine=machine)


@client.command("set")
@click.argument("tenant_name", metavar="TENANT")
@click.argument("client_id")
@click.option("--name", help="The new name.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    help=f"Replaces all scopes; may be repeated: {' '.join(CLIENT_SCOPES)}.",
)
@grant_options
@as_json
def client_set(
    tenant_name: str,
    client_id: str,
    name: str | None,
    scopes: tuple[str, ...],
    *,
    machine: bool,
    **options: Any,
) -> None:
    """Change a client's name, scopes or grants. Values without an option stay."""
    change = clients.Change(
        name=msgspec.UNSET if name is None else name,
        scopes=scopes or msgspec.UNSET,
        grants=chosen(options, msgspec.UNSET),
    )
    kept = records()
    changed = clients.change(kept, time.time, tenant_name, client_id, change, BY)
    _show(kept, changed, machine=machine)


@client.command("show")
@click.argument("tenant_name", metavar="TENANT")
@click.argument("client_id")
@as_json
def client_show(tenant_name: str, client_id: str, *, machine: bool) -> None:
    """Show a client with its scopes, grants and groups."""
    kept = records()
    _show(kept, clients.read(kept, tenant_name, client_id), machine=machine)


def _show(kept: Records, found: Client, *, machine: bool) -> None:
    groups = kept.group_names_of(found.tenant, (found.id,)).get(found.id, ())
    shown = client_routes.answer(found, groups)
    lines = (
        f"client_id: {shown.client_id}",
        f"name: {shown.name}",
        f"state: {shown.state}",
        f"scopes: {' '.join(shown.scopes)}",
        f"grants: {told(shown.grants)}",
        f"groups: {', '.join(group.name for group in shown.groups)}",
    )
    show(shown, "\n".join(lines), machine=machine)


@client.command("list")
@click.argument("tenant_name", metavar="TENANT")
@as_json
def client_list(tenant_name: str, *, machine: bool) -> None:
    """List the clients of TENANT."""
    kept = records()
    try:
        for found, groups in with_groups(
            kept, tenant_name, lambda after: kept.clients(tenant_name, after=after, limit=PAGE)
        ):
            shown = client_routes.answer(found, groups)
            line = f"{found.id:32} {shown.state:8} {found.name}: {' '.join(found.scopes)}"
            show(shown, line, machine=machine)
    except NoSuchTenant:
        raise NOT_FOUND("There is no such tenant.") from None


@client.command("disable")
@click.argument("tenant_name", metavar="TENANT")
@click.argument("client_id")
def client_disable(tenant_name: str, client_id: str) -> None:
    """Disable a client permanently."""
    clients.disable(records(), time.time, tenant_name, client_id, BY)


@client.command("add-secret")
@click.argument("tenant_name", metavar="TENANT")
@click.argument("client_id")
@as_json
def client_add_secret(tenant_name: str, client_id: str, *, machine: bool) -> None:
    """Give a client a second secret, so that its secret can be changed without a gap."""
    try:
        kept, secret = clients.add_secret(
            records(), secrets.Hasher(), time.time, tenant_name, client_id, BY
        )
    except NoSuchClient:
        raise NOT_FOUND("The tenant has no such client.") from None
    except TooManySecrets:
        raise click.ClickException("the client has two secrets already; retire one") from None
    shown = {"secret_id": kept.id, "client_id": client_id, "client_secret": secret}
    show(shown, "\n".join(f"{key}: {value}" for key, value in shown.items()), machine=machine)


@client.command("secrets")
@click.argument("client_id")
def client_secrets(client_id: str) -> None:
    """List a client's live secrets: id, last characters, time of creation."""
    login = records().login(client_id)
    if login is None:
        raise NOT_FOUND("There is no such client.")
    for one in login.secrets:
        click.echo(f"{one.id} …{one.hint} {tenant_routes.time_or_none(one.created_at)}")


@client.command("retire-secret")
@click.argument("tenant_name", metavar="TENANT")
@click.argument("client_id")
@click.argument("secret_id")
def client_retire_secret(tenant_name: str, client_id: str, secret_id: str) -> None:
    """Retire one of a client's secrets."""
    try:
        if not clients.retire_secret(records(), time.time, tenant_name, client_id, secret_id, BY):
            raise NOT_FOUND("The client has no such live secret.")
    except NoSuchClient:
        raise NOT_FOUND("The tenant has no such client.") from None
