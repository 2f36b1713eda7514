"""The commands `wharf-auth ticket`: upload tickets that an operator makes without a token."""

from __future__ import annotations

import time
from typing import Any

import click

from servicekit.logs import timestamp
from servicekit.reach import EVERYTHING
from wharf_auth import settings as auth_settings
from wharf_auth.accounts import grants, tenants
from wharf_auth.accounts.grants import Standing
from wharf_auth.bootstrap import key_ring
from wharf_auth.commands.shared import BY, as_json, records, show
from wharf_auth.database.contract import Records
from wharf_auth.domain import tickets, token_exchange
from wharf_auth.domain.acts import CLI
from wharf_auth.domain.tickets import TicketError, TicketRequest


@click.group()
def ticket() -> None:
    """Make upload tickets: tokens that allow certain uploads and nothing else."""


@ticket.command("create")
@click.argument("bucket", metavar="TENANT/BUCKET")
@click.option("--key", help="The only key that the ticket is for.")
@click.option("--prefix", help='Or the prefix of the keys; "" is the whole bucket.')
@click.option("--method", "methods", multiple=True, type=click.Choice(["PUT", "POST"]))
@click.option("--max-file-bytes", type=int, help="The largest file, in bytes.")
@click.option("--max-files", type=int, help="The most files that the ticket allows.")
@click.option(
    "--type", "types", multiple=True, help="An allowed media type, e.g. image/*. May be repeated."
)
@click.option("--redirect", "redirects", multiple=True, help="An allowed redirect after a form.")
@click.option("--create-only", is_flag=True, help="Never replace a file.")
@click.option(
    "--expires-in",
    type=int,
    metavar="SECONDS",
    help="Life of the ticket; default: the life of a token.",
)
@click.option("--client", help="The client that owns the ticket: disabling it ends the ticket.")
@as_json
def ticket_create(
    bucket: str, client: str | None, expires_in: int | None, *, machine: bool, **rules: Any
) -> None:
    """Make a ticket for TENANT/BUCKET. Anyone with the ticket can upload; it cannot read files."""
    settings, kept = auth_settings.read(), records()
    tenant, _, name = bucket.partition("/")
    life = settings.token_ttl_seconds if expires_in is None else expires_in
    if not 1 <= life <= settings.ticket_ttl_seconds:
        raise click.ClickException(
            f"--expires-in is from 1 to {settings.ticket_ttl_seconds} (WHARF_TICKET_TTL_SECONDS)"
        )
    standing = _standing(kept, tenant, client)
    now = int(time.time())
    claims = token_exchange.first_ticket(
        tickets.ticket(_wanted(name, rules), None),
        issuer=settings.issuer,
        tenant=tenant,
        subject=client or CLI,
        now=now,
        life_seconds=life,
        claim=standing.claim() if standing else None,
        reach=standing.reach if standing else EVERYTHING,
    )
    token = key_ring(settings).sign(claims)
    kept.note(BY.does("tickets.create", tenant=tenant, about=claims["jti"], at=now * 1000))
    shown = {
        "ticket": token,
        "ticket_id": claims["jti"],
        "url": f"{settings.gateway_url}/u/{token}",
        "expires_at": timestamp(claims["exp"]),
    }
    show(shown, token, machine=machine)


def _wanted(bucket: str, rules: dict[str, Any]) -> TicketRequest:
    for name in ("max_file_bytes", "max_files"):
        if rules[name] is not None and rules[name] < 1:
            raise TicketError(f"The ticket's {name} is at least 1.")
    return TicketRequest(
        bucket=bucket,
        key=rules["key"],
        prefix=rules["prefix"],
        methods=rules["methods"] or None,
        max_file_bytes=rules["max_file_bytes"],
        allowed_types=rules["types"],
        max_files=rules["max_files"],
        redirect=rules["redirects"],
        create_only=rules["create_only"],
    )


def _standing(kept: Records, tenant: str, client: str | None) -> Standing | None:
    """Return the rights of the client that owns the ticket; `None` without a client.

    Raise `ClickException` for a tenant that is not active, and for a client that is unknown,
    disabled or without the scope for uploads: services would refuse the ticket later.
    """
    state = tenants.read(kept, tenant).state
    if state != "active":
        raise click.ClickException(f"the tenant {tenant} is {state}")
    if client is None:
        return None
    login = kept.login(client)
    if login is None or login.client.tenant != tenant or login.client.disabled_at is not None:
        raise click.ClickException(f"{tenant} has no active client {client}")
    standing = grants.of_client(kept, login.client)
    if token_exchange.TICKET_SCOPE not in standing.scopes:
        raise click.ClickException(
            f"the client {client} lacks the scope {token_exchange.TICKET_SCOPE}"
        )
    return standing
