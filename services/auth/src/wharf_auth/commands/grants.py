"""The options of commands that set grants, and the text form of grants."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from servicekit import grants
from servicekit.grants import Grant, GrantError

F = TypeVar("F", bound=Callable[..., Any])
EVERYTHING, NOTHING = "everything", "nothing"


Granted = list[Grant] | None
D = TypeVar("D")


def grant_options(function: F) -> F:
    """Add the options `--grant`, `--no-grants` and `--all`; `chosen` converts them to grants."""
    for option in (
        click.option(
            "--all", "everything", is_flag=True, help="Permit everything that the scopes allow."
        ),
        click.option("--no-grants", is_flag=True, help="Permit no key of any bucket."),
        click.option(
            "--grant",
            "granted",
            multiple=True,
            metavar="ACTIONS:BUCKET[/PREFIX]",
            help="May be repeated, e.g. read,write:photos/inbox/ or read:*. The actions are "
            f"{', '.join(grants.ACTIONS)}. {{user_id}}, {{username}} and {{client}} in the prefix "
            "are replaced when a token is issued.",
        ),
    ):
        function = option(function)
    return function


def chosen(options: Mapping[str, Any], default: D) -> Granted | D:
    """Return the grants that the options name; `None` permits everything.

    Without any of the options, return `default`. Raise `ClickException` if the options exclude each
    other or if a grant is not valid.
    """
    granted, no_grants, everything = (
        options[name] for name in ("granted", "no_grants", "everything")
    )
    if (bool(granted), no_grants, everything).count(True) > 1:
        raise click.UsageError("--grant, --no-grants and --all exclude each other")
    if granted:
        return [_parsed(index, text) for index, text in enumerate(granted)]
    if no_grants:
        return []
    return None if everything else default


def _parsed(index: int, text: str) -> Grant:
    try:
        return grants.parse(text)
    except ValueError as error:
        raise click.ClickException(str(GrantError(index, str(error)))) from None


def told(found: Sequence[Grant] | None) -> str:
    """Return grants as text for people, in the form of the options."""
    if found is None:
        return EVERYTHING
    return " ".join(map(grants.written, found)) or NOTHING
