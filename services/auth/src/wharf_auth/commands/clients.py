"""`wharf-auth client`: the programs of a tenant."""

from __future__ import annotations

import time

import click

from servicekit.problems import NOT_FOUND
from wharf_auth.accounts import clients, secrets
from wharf_auth.commands.shared import BY, PAGE, as_json, pages, records, show
from wharf_auth.database.contract import NoSuchClient, NoSuchTenant, TooManySecrets
from wharf_auth.domain.scopes import CLIENT_SCOPES
from wharf_auth.routes import clients as client_routes
from wharf_auth.routes import tenants as tenant_routes


@click.group()
def client() -> None:
    """Clients: the programs of a tenant."""


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
@as_json
def client_create(tenant_name: str, name: str, scopes: tuple[str, ...], *, machine: bool) -> None:
    """Create a client NAME of TENANT. Its secret is printed now and never again."""
    made, secret = clients.create(
        records(),
        secrets.Hasher(),
        time.time,
        tenant=tenant_name,
        name=name,
        wanted=scopes,
        by=BY,
    )
    shown = client_routes.with_secret(made, secret)
    show(shown, f"client_id: {made.id}\nclient_secret: {secret}", machine=machine)


@client.command("list")
@click.argument("tenant_name", metavar="TENANT")
@as_json
def client_list(tenant_name: str, *, machine: bool) -> None:
    """List the clients of TENANT."""
    kept = records()
    try:
        for found in pages(
            lambda after: kept.clients(tenant_name, after=after, limit=PAGE),
            lambda one: one.id,
            "",
        ):
            shown = client_routes.answer(found)
            line = f"{found.id:32} {shown.state:8} {found.name}: {' '.join(found.scopes)}"
            show(shown, line, machine=machine)
    except NoSuchTenant:
        raise NOT_FOUND("There is no such tenant.") from None


@client.command("disable")
@click.argument("tenant_name", metavar="TENANT")
@click.argument("client_id")
def client_disable(tenant_name: str, client_id: str) -> None:
    """Disable a client for good."""
    clients.disable(records(), time.time, tenant_name, client_id, BY)


@client.command("add-secret")
@click.argument("tenant_name", metavar="TENANT")
@click.argument("client_id")
@as_json
def client_add_secret(tenant_name: str, client_id: str, *, machine: bool) -> None:
    """Give a client a second secret, so that it can change over without a gap."""
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
    """List a client's live secrets: id, last characters, moment of making."""
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
    """End one of a client's secrets."""
    try:
        if not clients.retire_secret(records(), time.time, tenant_name, client_id, secret_id, BY):
            raise NOT_FOUND("The client has no such live secret.")
    except NoSuchClient:
        raise NOT_FOUND("The tenant has no such client.") from None
