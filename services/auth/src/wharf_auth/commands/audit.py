"""The commands `wharf-auth audit` and `wharf-auth purge`."""

from __future__ import annotations

import time

import click

from wharf_auth import key_rotation
from wharf_auth import settings as auth_settings
from wharf_auth.accounts import tenants
from wharf_auth.accounts.housekeeping import prune_audit
from wharf_auth.bootstrap import key_ring
from wharf_auth.commands.shared import BY, PAGE, as_json, pages, records, show
from wharf_auth.routes import audit as audit_routes


@click.command()
@click.option("--after", default=0, help="Begin with the line after this number.")
@click.option("--tenant", help="Print only the acts about this tenant.")
@as_json
def audit(after: int, tenant: str | None, *, machine: bool) -> None:
    """Print the audit log, oldest first: actor, act, time, address and outcome of each act."""
    kept = records()
    for found in pages(
        lambda position: kept.audit(after=position, limit=PAGE, tenant=tenant),
        lambda one: one.seq,
        after,
    ):
        one = audit_routes.answer(found)
        line = (
            f"{one.seq} {one.at} {one.actor} {one.address or '-'} {one.act} "
            f"{one.tenant or '-'} {one.about} {one.outcome}"
        )
        show(one, line, machine=machine)


@click.command()
def purge() -> None:
    """Purge deleted tenants, remove retired keys, and prune the feed and the audit log.

    It purges a tenant only if its grace period is over. The service does the same automatically
    while another service follows its feed.
    """
    kept, settings = records(), auth_settings.read()
    for name in tenants.purge_due(kept, time.time, BY):
        click.echo(f"purged the tenant {name}")
    kept.prune_feed(int(time.time()))
    prune_audit(kept, time.time, settings.audit_retention_days)
    for kid in key_rotation.sweep(key_ring(settings), kept, time.time, BY):
        click.echo(f"retired the key {kid}")
