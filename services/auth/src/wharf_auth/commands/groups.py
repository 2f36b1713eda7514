"""The commands `wharf-auth group`: named sets of a tenant's people and clients."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

import click
import msgspec

from servicekit import name_characters
from servicekit.problems import NOT_FOUND
from wharf_auth.accounts import groups
from wharf_auth.commands.grants import chosen, grant_options, told
from wharf_auth.commands.shared import BY, PAGE, as_json, pages, records, show
from wharf_auth.database.contract import NoSuchTenant, Records
from wharf_auth.database.groups_contract import Group
from wharf_auth.domain import users
from wharf_auth.domain.scopes import GROUP_SCOPES
from wharf_auth.routes import groups as group_routes

_tenant = click.argument("tenant", metavar="TENANT")
_group = click.argument("wanted", metavar="GROUP")
_scopes = click.option(
    "--scope", "scopes", multiple=True, help=f"May be repeated: {' '.join(GROUP_SCOPES)}."
)


@click.group()
def group() -> None:
    """Manage groups: people and clients of a tenant that share grants and scopes.

    GROUP is the name or id of a group.
    """


@group.command("create")
@_tenant
@click.argument("name")
@_scopes
@grant_options
@as_json
def group_create(
    tenant: str, name: str, scopes: tuple[str, ...], *, machine: bool, **options: Any
) -> None:
    """Create the group NAME of TENANT. It has no members; without grants it permits no key."""
    kept, given = records(), chosen(options, ())
    made = groups.create(
        kept, time.time, tenant=tenant, name=name, wanted=scopes, given=given, by=BY
    )
    _show(kept, made, machine=machine)


@group.command("list")
@_tenant
@as_json
def group_list(tenant: str, *, machine: bool) -> None:
    """List the groups of TENANT."""
    kept = records()
    for one in _groups(kept, tenant):
        shown = group_routes.answer(one, kept.member_counts([one.id])[one.id])
        show(shown, f"{one.id:32} {shown.members:6} {one.name}", machine=machine)


@group.command("show")
@_tenant
@_group
@as_json
def group_show(tenant: str, wanted: str, *, machine: bool) -> None:
    """Show a group and its members; --json leaves the members out."""
    kept = records()
    found = _found(kept, tenant, wanted)
    _show(kept, found, machine=machine)
    if machine:
        return
    for member in pages(
        lambda after: groups.members(kept, tenant, found.id, after=after, limit=PAGE),
        lambda one: one.id,
        "",
    ):
        click.echo(f"{member.kind:6} {member.id:32} {member.name}")


@group.command("set")
@_tenant
@_group
@click.option("--name", help="The new name.")
@_scopes
@click.option("--no-scopes", is_flag=True, help="Remove all scopes of the group.")
@grant_options
@as_json
def group_set(
    tenant: str,
    wanted: str,
    name: str | None,
    scopes: tuple[str, ...],
    *,
    no_scopes: bool,
    machine: bool,
    **options: Any,
) -> None:
    """Change a group's name, scopes or grants. Values without an option stay."""
    if scopes and no_scopes:
        raise click.UsageError("--scope and --no-scopes exclude each other")
    change = groups.Change(
        name=msgspec.UNSET if name is None else name,
        scopes=scopes if scopes or no_scopes else msgspec.UNSET,
        grants=chosen(options, msgspec.UNSET),
    )
    kept = records()
    found = _found(kept, tenant, wanted)
    _show(kept, groups.change(kept, time.time, tenant, found.id, change, BY), machine=machine)


@group.command("delete")
@_tenant
@_group
def group_delete(tenant: str, wanted: str) -> None:
    """Delete a group; its members lose its grants and scopes."""
    kept = records()
    groups.delete(kept, time.time, tenant, _found(kept, tenant, wanted).id, BY)


@group.command("add")
@_tenant
@_group
@click.argument("members", nargs=-1, required=True)
def group_add(tenant: str, wanted: str, members: tuple[str, ...]) -> None:
    """Add MEMBERS to a group: names of users, or ids of users or clients."""
    kept = records()
    found, subjects = _found(kept, tenant, wanted), _subjects(kept, tenant, members)
    groups.change_members(kept, time.time, tenant, found.id, add=subjects, by=BY)


@group.command("remove")
@_tenant
@_group
@click.argument("members", nargs=-1, required=True)
def group_remove(tenant: str, wanted: str, members: tuple[str, ...]) -> None:
    """Remove MEMBERS from a group: names of users, or ids of users or clients."""
    kept = records()
    found, subjects = _found(kept, tenant, wanted), _subjects(kept, tenant, members)
    groups.change_members(kept, time.time, tenant, found.id, remove=subjects, by=BY)


def _found(kept: Records, tenant: str, wanted: str) -> Group:
    """Return the group with this id, otherwise the group with this name; raise `not-found`."""
    found = kept.group(tenant, wanted)
    if found is not None:
        return found
    name = users.folded(wanted)
    for one in _groups(kept, tenant):
        if users.folded(one.name) == name:
            return one
    raise NOT_FOUND("The tenant has no such group.")


def _groups(kept: Records, tenant: str) -> Iterator[Group]:
    """Yield all groups of a tenant, without counting their members; raise `not-found`."""
    try:
        yield from pages(
            lambda after: kept.groups(tenant, after=after, limit=PAGE), lambda one: one.id, ""
        )
    except NoSuchTenant:
        raise NOT_FOUND("There is no such tenant.") from None


def _subjects(kept: Records, tenant: str, members: Iterable[str]) -> list[str]:
    return [_subject(kept, tenant, member) for member in members]


def _subject(kept: Records, tenant: str, member: str) -> str:
    """Return the id of the user with this name, or of the user or client with this id.

    Raise `not-found`, or `ClickException` if the text is both the name of a user and another's id.
    """
    found = {one.id for one in kept.subjects(tenant, (member,))}
    person = kept.named(tenant, users.folded(member))
    if person is not None:
        found.add(person.id)
    if not found:
        raise NOT_FOUND(f"The tenant has no user or client '{name_characters.shown(member)}'.")
    if len(found) > 1:
        raise click.ClickException(
            f"'{name_characters.shown(member)}' is both the name of a user and an id; pass the id "
            "of the user instead"
        )
    return found.pop()


def _show(kept: Records, found: Group, *, machine: bool) -> None:
    shown = group_routes.answer(found, kept.member_counts([found.id]).get(found.id, 0))
    lines = (
        f"group_id: {shown.group_id}",
        f"name: {shown.name}",
        f"scopes: {' '.join(shown.scopes)}",
        f"grants: {told(shown.grants)}",
        f"members: {shown.members}",
    )
    show(shown, "\n".join(lines), machine=machine)
