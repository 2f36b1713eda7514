"""Functions that all commands use: they open the records and print results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import click
import msgspec

from servicekit.database import Database
from wharf_auth import bootstrap
from wharf_auth import settings as auth_settings
from wharf_auth.database.contract import Client, Records
from wharf_auth.database.groups_contract import NamedGroup
from wharf_auth.database.people_contract import User
from wharf_auth.domain.acts import CLI, Actor
from wharf_auth.settings import Settings

T = TypeVar("T")
C = TypeVar("C", str, int)
M = TypeVar("M", User, Client)
PAGE = 500
BY = Actor(CLI)
as_json = click.option(
    "--json", "machine", is_flag=True, help="Print JSON, one object on each line."
)


def database(settings: Settings) -> Database:
    """Open the database of the settings; close it when the command ends."""
    found = bootstrap.database(settings)
    click.get_current_context().call_on_close(found.close)
    return found


def records() -> Records:
    """Return the records for the settings in the environment."""
    settings = auth_settings.read()
    return bootstrap.sql_records(database(settings), settings)


def show(found: Any, line: str, *, machine: bool) -> None:
    """Print an object as JSON if `machine`, otherwise print the line for people."""
    click.echo(msgspec.json.encode(found).decode() if machine else line)


def pages(page: Callable[[C], list[T]], cursor: Callable[[T], C], after: C) -> Iterator[T]:
    """Yield the entries of a paginated list that come after the cursor `after`."""
    while found := page(after):
        yield from found
        after = cursor(found[-1])


def with_groups(
    kept: Records, tenant: str, page: Callable[[str], list[M]]
) -> Iterator[tuple[M, list[NamedGroup]]]:
    """Yield all users or clients of a paginated list, each with its groups."""
    after = ""
    while found := page(after):
        groups = kept.group_names_of(tenant, [one.id for one in found])
        yield from ((one, groups.get(one.id, [])) for one in found)
        after = found[-1].id
