"""What all commands use: the records, who acts, and how things are shown."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import click
import msgspec

from servicekit.database import Database, open_database
from wharf_auth import settings as auth_settings
from wharf_auth.database.sql import SqlRecords
from wharf_auth.domain.acts import CLI, Actor
from wharf_auth.settings import Settings
from wharf_auth.signing import KeyRing

T = TypeVar("T")
C = TypeVar("C", str, int)
PAGE = 500
BY = Actor(CLI)
as_json = click.option("--json", "machine", is_flag=True, help="Print JSON, one line an object.")


def database(settings: Settings) -> Database:
    """Opens the database of the settings; it is closed when the command ends."""
    durable = settings.durability == "full"
    found = open_database(settings.effective_database_url, durable=durable)
    click.get_current_context().call_on_close(found.close)
    return found


def records() -> SqlRecords:
    """The records of the environment's settings."""
    return SqlRecords(database(auth_settings.read()))


def key_ring(settings: Settings) -> KeyRing:
    """The signing keys as the service sees them; raises `SigningKeyError`."""
    return KeyRing(settings.keys_directory, time.time, settings.longest_token_seconds)


def show(found: Any, line: str, *, machine: bool) -> None:
    """Prints an object, or a line for people."""
    click.echo(msgspec.json.encode(found).decode() if machine else line)


def pages(page: Callable[[C], list[T]], cursor: Callable[[T], C], after: C) -> Iterator[T]:
    """Everything of a list that comes in pages."""
    while found := page(after):
        yield from found
        after = cursor(found[-1])
