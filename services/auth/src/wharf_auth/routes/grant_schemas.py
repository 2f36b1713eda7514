"""What requests and answers have of grants and groups."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import msgspec

from servicekit.grants import Compact, Grant, shown
from wharf_auth.accounts.grants import Standing
from wharf_auth.database.groups_contract import NamedGroup

#: Of somebody, or of a group.
Grants = Annotated[
    list[Grant] | None,
    msgspec.Meta(
        description="What is reached; an action needs its scope too. `null` is everything that the "
        "scopes allow, an empty list nothing. At most 100 grants and 16 KiB."
    ),
]


class GroupName(msgspec.Struct):
    """A group that somebody is in."""

    group_id: str
    name: str


def shown_grants(kept: Compact | None) -> list[Grant] | None:
    """Return grants as requests and answers have them."""
    return None if kept is None else shown(kept)


def effective(standing: Standing) -> list[Grant] | None:
    """Return what somebody reaches at this moment, filled in, as answers have it."""
    return None if standing.reach.is_everything else shown_grants(standing.grants)


def group_names(groups: Iterable[NamedGroup]) -> list[GroupName]:
    """Return the groups that somebody is in, as answers have them."""
    return [GroupName(group.id, group.name) for group in groups]
