"""The commands `wharf-auth user`: the people of a tenant."""

from __future__ import annotations

import sys
import time
from typing import Any

import click
import msgspec

from servicekit.problems import NOT_FOUND
from wharf_auth.accounts import passwords
from wharf_auth.accounts.secrets import Hasher
from wharf_auth.accounts.users import NewUser, UserService
from wharf_auth.commands.grants import chosen, grant_options, told
from wharf_auth.commands.shared import BY, PAGE, as_json, records, show, with_groups
from wharf_auth.database.contract import NoSuchTenant
from wharf_auth.database.people_contract import User
from wharf_auth.domain import users
from wharf_auth.routes import users as user_routes

generate = click.option("--generate", is_flag=True, help="Generate a password and print it once.")


def _rules() -> UserService:
    return UserService(records(), Hasher(), time.time)


def _password() -> str:
    """Return the password: prompt for it on a terminal, else read a line of standard input.

    The password is never an argument, since other users of the machine can see the arguments of a
    process.
    """
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    try:
        line = sys.stdin.buffer.readline().decode()
        return line.removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise click.ClickException("the password on standard input is not UTF-8") from None


@click.group()
def user() -> None:
    """Manage users: the people of a tenant."""


@user.command("create")
@click.argument("tenant", metavar="TENANT")
@click.argument("username", metavar="USERNAME")
@click.option("--role", required=True, type=click.Choice(list(users.ROLES)))
@click.option("--display-name", help="The name that people see.")
@generate
@grant_options
@as_json
def user_create(
    tenant: str,
    username: str,
    role: str,
    display_name: str | None,
    *,
    generate: bool,
    machine: bool,
    **options: Any,
) -> None:
    """Create the user USERNAME of TENANT.

    Without grants the user reaches everything that the role allows. The command prompts for the
    password, or reads it from standard input, unless you pass --generate.
    """
    grants = chosen(options, None)
    password = passwords.generated() if generate else _password()
    made, _ = _rules().create(NewUser(tenant, username, role, display_name, password, grants), BY)
    shown = user_routes.with_password(made, password if generate else None)
    lines = f"user_id: {made.id}" + (f"\npassword: {password}" if generate else "")
    show(shown, lines, machine=machine)


@user.command("list")
@click.argument("tenant", metavar="TENANT")
@as_json
def user_list(tenant: str, *, machine: bool) -> None:
    """List the users of TENANT."""
    kept = records()
    try:
        for found, groups in with_groups(
            kept, tenant, lambda after: kept.users(tenant, after=after, limit=PAGE)
        ):
            shown = user_routes.answer(found, groups)
            line = f"{found.id:32} {shown.state:8} {found.role:6} {found.username}"
            show(shown, line, machine=machine)
    except NoSuchTenant:
        raise NOT_FOUND("There is no such tenant.") from None


@user.command("password")
@click.argument("tenant", metavar="TENANT")
@click.argument("username", metavar="USERNAME")
@generate
def user_password(tenant: str, username: str, *, generate: bool) -> None:
    """Set a user's password and end the user's sessions.

    The command prompts for the password, or reads it from standard input, unless you pass
    --generate.
    """
    rules = _rules()
    found = rules.named(tenant, username)
    password = rules.set_password(found, None if generate else _password(), BY)
    if generate:
        click.echo(f"password: {password}")


@user.command("role")
@click.argument("tenant", metavar="TENANT")
@click.argument("username", metavar="USERNAME")
@click.argument("role", type=click.Choice(list(users.ROLES)))
def user_role(tenant: str, username: str, role: str) -> None:
    """Change a user's role; a new role ends the user's sessions."""
    rules = _rules()
    rules.set_role(tenant, rules.named(tenant, username).id, role, BY)


@user.command("set-grants")
@click.argument("tenant", metavar="TENANT")
@click.argument("username", metavar="USERNAME")
@grant_options
@as_json
def user_set_grants(tenant: str, username: str, *, machine: bool, **options: Any) -> None:
    """Replace a user's grants; the user's sessions continue with the new grants."""
    grants = chosen(options, msgspec.UNSET)
    if grants is msgspec.UNSET:
        raise click.UsageError("pass --grant, --no-grants or --all")
    rules = _rules()
    rules.set_grants(tenant, rules.named(tenant, username).id, grants, BY)
    _show(rules.named(tenant, username), machine=machine)


@user.command("show")
@click.argument("tenant", metavar="TENANT")
@click.argument("username", metavar="USERNAME")
@as_json
def user_show(tenant: str, username: str, *, machine: bool) -> None:
    """Show a user with its role, grants and groups."""
    _show(_rules().named(tenant, username), machine=machine)


def _show(found: User, *, machine: bool) -> None:
    groups = records().group_names_of(found.tenant, (found.id,)).get(found.id, ())
    shown = user_routes.answer(found, groups)
    lines = (
        f"user_id: {shown.user_id}",
        f"username: {shown.username}",
        f"role: {shown.role}",
        f"state: {shown.state}",
        f"grants: {told(shown.grants)}",
        f"groups: {', '.join(group.name for group in shown.groups)}",
    )
    show(shown, "\n".join(lines), machine=machine)


@user.command("disable")
@click.argument("tenant", metavar="TENANT")
@click.argument("username", metavar="USERNAME")
def user_disable(tenant: str, username: str) -> None:
    """Disable a user: end the user's sessions and refuse further logins."""
    rules = _rules()
    rules.disable(tenant, rules.named(tenant, username).id, BY)


@user.command("enable")
@click.argument("tenant", metavar="TENANT")
@click.argument("username", metavar="USERNAME")
def user_enable(tenant: str, username: str) -> None:
    """Allow a disabled user to log in again."""
    rules = _rules()
    rules.enable(tenant, rules.named(tenant, username).id, BY)


@user.command("delete")
@click.argument("tenant", metavar="TENANT")
@click.argument("username", metavar="USERNAME")
def user_delete(tenant: str, username: str) -> None:
    """Delete a user and all data about it."""
    rules = _rules()
    rules.delete(tenant, rules.named(tenant, username).id, BY)
