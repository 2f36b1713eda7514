"""The contract of groups and grants in the records. Times and versions are unix milliseconds.

A call that changes a reach adds an entry to the feed in the same transaction: a `reach` entry for a
user or client, and one `group` entry for a group, even if it has many members.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import msgspec

from servicekit.grants import Compact
from wharf_auth.domain.acts import Act

MAX_GROUPS_OF_TENANT = 1000
MemberKind = Literal["user", "client"]


class NoSuchGroup(Exception):
    """The tenant has no such group; nothing was changed."""


class NoSuchMember(Exception):
    """The tenant has no user and no client with this id (the argument); nothing was changed."""


class TooManyGroups(Exception):
    """The tenant has `MAX_GROUPS_OF_TENANT` groups already; nothing was changed."""


class MemberOfTooMany(Exception):
    """A user or client (the argument is its id) is in `MAX_GROUPS` groups; nothing was changed."""


class LimitedManager(Exception):
    """A user or client that may change accounts cannot have a list of grants.

    The user or client could remove the list. Nothing was changed.
    """


@dataclass(frozen=True, slots=True)
class Group:
    """A named set of users and clients.

    `grants` is `None` if each member reaches everything that the member's scopes allow. `version`
    grows with each change of grants or scopes.
    """

    id: str
    tenant: str
    name: str
    scopes: tuple[str, ...]
    grants: Compact | None
    created_at: int
    version: int = 0


@dataclass(frozen=True, slots=True)
class NamedGroup:
    """The id and name of a group, as lists of users and clients show them."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Member:
    """A user or client in a group; `name` is the user name, or the display name of the client."""

    id: str
    kind: MemberKind
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupChange:
    """The new values of a group; a value that is `UNSET` stays. `folded` belongs to `name`."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    folded: str = ""
    scopes: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    grants: Compact | msgspec.UnsetType | None = msgspec.UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRights:
    """The new role and grants of a user; a value that is `UNSET` stays."""

    role: str | msgspec.UnsetType = msgspec.UNSET
    grants: Compact | msgspec.UnsetType | None = msgspec.UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientChange:
    """The new values of a client; a value that is `UNSET` stays."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    scopes: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    grants: Compact | msgspec.UnsetType | None = msgspec.UNSET


class GroupRecords(Protocol):
    """The records of groups and their members. Each change adds its act to the audit log."""

    def add_group(self, group: Group, folded: str, act: Act) -> None:
        """Add a group.

        Raise `NoSuchTenant`, `TenantDeleted`, `TooManyGroups`, `LimitReached`, or `NameTaken` for
        a known folded name.
        """

    def group(self, tenant: str, group: str) -> Group | None:
        """Return the tenant's group with this id; `None` if there is none."""

    def groups(self, tenant: str, *, after: str, limit: int) -> list[Group]:
        """Return up to `limit` groups of a tenant with ids after `after`, in order of their ids.

        Raise `NoSuchTenant`.
        """

    def change_group(self, tenant: str, group: str, change: GroupChange, act: Act) -> None:
        """Change a group; raise `NoSuchGroup`, `NameTaken` or `LimitReached`."""

    def delete_group(self, tenant: str, group: str, act: Act) -> None:
        """Delete a group and its memberships; raise `NoSuchGroup`."""

    def members(self, tenant: str, group: str, *, after: str, limit: int) -> list[Member]:
        """Return up to `limit` members with ids after `after`, in order of their ids.

        Raise `NoSuchGroup`.
        """

    def member_counts(self, groups: Sequence[str]) -> dict[str, int]:
        """Return the number of members of each of these groups."""

    def change_members(
        self, tenant: str, group: str, *, add: Mapping[str, Act], remove: Mapping[str, Act]
    ) -> None:
        """Add and remove members in one transaction. A second call has no effect.

        Both mappings have the ids of members as keys, and the act for the audit log as values. The
        audit log gets the acts that changed a membership. Raise `NoSuchGroup`, `MemberOfTooMany`,
        or `NoSuchMember` for an unknown id in `add`.
        """

    def subjects(self, tenant: str, ids: Sequence[str]) -> list[Member]:
        """Return the tenant's users and clients with these ids, in no particular order."""

    def groups_of(self, tenant: str, subjects: Sequence[str]) -> dict[str, list[Group]]:
        """Return the groups of these users and clients, in order of the groups' ids.

        A subject without a group is absent from the result. Read the user or client first, and
        call this afterwards. Then a concurrent change has a newer version than the row that was
        read, and the feed brings the change to the services.
        """

    def group_names_of(self, tenant: str, subjects: Sequence[str]) -> dict[str, list[NamedGroup]]:
        """Return ids and names of the groups of these users and clients, as `groups_of` does.

        The call does not read the grants of the groups: for a thousand users they would be many
        megabytes.
        """
