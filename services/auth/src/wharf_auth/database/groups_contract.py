"""The contract of groups and grants in the records. Times and versions are unix milliseconds.

What changes the reach of somebody puts it into the feed in the same transaction: a `reach` entry
for a user or client, a `group` entry for a group, however many members it has.
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
    """The tenant has no user and no client of this id (the argument); nothing was changed."""


class TooManyGroups(Exception):
    """The tenant has `MAX_GROUPS_OF_TENANT` already; nothing was changed."""


class MemberOfTooMany(Exception):
    """Somebody (the argument is the id) is in `MAX_GROUPS` already; nothing was changed."""


class LimitedManager(Exception):
    """A manager of accounts would have a list of grants, and could lift it; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Group:
    """A named set of users and clients. `grants` are `None` for everything its scopes allow.

    `version` grows with each change of grants or scopes.
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
    """The part of a group that lists of users and clients show."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Member:
    """A user or client; `name` is its user name, or the client's name for people."""

    id: str
    kind: MemberKind
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupChange:
    """What of a group becomes what; what is `UNSET` stays. `folded` goes with `name`."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    folded: str = ""
    scopes: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    grants: Compact | msgspec.UnsetType | None = msgspec.UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRights:
    """What of a user's rights becomes what; what is `UNSET` stays."""

    role: str | msgspec.UnsetType = msgspec.UNSET
    grants: Compact | msgspec.UnsetType | None = msgspec.UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientChange:
    """What of a client becomes what; what is `UNSET` stays."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    scopes: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    grants: Compact | msgspec.UnsetType | None = msgspec.UNSET


class GroupRecords(Protocol):
    """Groups and their members. Each change is noted in the audit log."""

    def add_group(self, group: Group, folded: str, act: Act) -> None:
        """Adds a group.

        Raises `NoSuchTenant`, `TenantDeleted`, `TooManyGroups`, `LimitReached`, or `NameTaken`
        (the folded name).
        """

    def group(self, tenant: str, group: str) -> Group | None:
        """The tenant's group of this id."""

    def groups(self, tenant: str, *, after: str, limit: int) -> list[Group]:
        """Groups of a tenant in order of their ids, those past `after`; raises `NoSuchTenant`."""

    def change_group(self, tenant: str, group: str, change: GroupChange, act: Act) -> None:
        """Changes a group; raises `NoSuchGroup`, `NameTaken` or `LimitReached`."""

    def delete_group(self, tenant: str, group: str, act: Act) -> None:
        """Removes a group with its memberships; raises `NoSuchGroup`."""

    def members(self, tenant: str, group: str, *, after: str, limit: int) -> list[Member]:
        """Members in order of their ids, those past `after`; raises `NoSuchGroup`."""

    def member_counts(self, groups: Sequence[str]) -> dict[str, int]:
        """How many members each of these groups has."""

    def change_members(
        self, tenant: str, group: str, *, add: Mapping[str, Act], remove: Mapping[str, Act]
    ) -> None:
        """Adds and removes members, all of them or none; again without effect.

        Both are acts by the id of whom they move; those that change something are noted. Raises
        `NoSuchGroup`, `MemberOfTooMany`, and `NoSuchMember` for one that is to be added.
        """

    def subjects(self, tenant: str, ids: Sequence[str]) -> list[Member]:
        """Those of these users and clients that the tenant has, in no order."""

    def groups_of(self, tenant: str, subjects: Sequence[str]) -> dict[str, list[Group]]:
        """The groups of each of these users and clients that is in some, in order of their ids.

        To be read after the user or client itself: a change in between has a newer version than
        what was read, and the feed has it.
        """

    def group_names_of(self, tenant: str, subjects: Sequence[str]) -> dict[str, list[NamedGroup]]:
        """As `groups_of`, without grants: of a thousand people those would be many megabytes."""
