"""The forms of grants and groups in requests and responses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import msgspec

from servicekit.grants import Compact, Grant, shown
from wharf_auth.accounts.grants import Standing
from wharf_auth.database.groups_contract import NamedGroup

#: The grants of a user, a client or a group.
Grants = Annotated[
    list[Grant] | None,
    msgspec.Meta(
        description="The permitted buckets, prefixes and actions; an action needs its scope too. "
        "`null` permits everything that the scopes allow, an empty list nothing. At most 100 "
        "grants "
        "and 16 KiB."
    ),
]


class GroupName(msgspec.Struct):
    """A group of a user or client."""

    group_id: str
    name: str


def shown_grants(kept: Compact | None) -> list[Grant] | None:
    """Convert stored grants into the form that requests and responses use."""
    return None if kept is None else shown(kept)


def effective(standing: Standing) -> list[Grant] | None:
    """Return the grants that apply at this moment, with placeholders filled in.

    `None` means that everything is permitted that the scopes allow.
    """
    return None if standing.reach.is_everything else shown_grants(standing.grants)


def group_names(groups: Iterable[NamedGroup]) -> list[GroupName]:
    """Convert the groups of a user or client into their form in responses."""
    return [GroupName(group.id, group.name) for group in groups]
