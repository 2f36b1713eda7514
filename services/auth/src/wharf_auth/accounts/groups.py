"""The use cases of groups and their members."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec

from servicekit.grants import USERNAME, Compact, Grant, GrantError, Holder, require_fillable
from servicekit.grants_claim import MAX_GROUPS
from servicekit.ids import uuid7_hex
from servicekit.name_characters import shown
from servicekit.problems import NOT_FOUND, UNPROCESSABLE
from wharf_auth.accounts import grants, limits
from wharf_auth.database.contract import NameTaken, NoSuchTenant, Records, TenantDeleted
from wharf_auth.database.groups_contract import (
    MAX_GROUPS_OF_TENANT,
    Group,
    GroupChange,
    Member,
    MemberOfTooMany,
    NoSuchGroup,
    NoSuchMember,
    TooManyGroups,
)
from wharf_auth.domain import names, scopes, users
from wharf_auth.domain.acts import Act, Actor
from wharf_auth.domain.clock import Clock, milliseconds
from wharf_auth.problems import GROUP_EXISTS, TENANT_DELETED, TOO_MANY_GROUPS

#: The most members that one request may add, and the most that it may remove.
MAX_MEMBERS_AT_ONCE = 1000
_PAGE = 1000


@dataclass(frozen=True, kw_only=True)
class Change:
    """The new values of a group; a value that is `UNSET` stays.

    `grants` is `None` to permit everything that the scopes of each member allow.
    """

    name: str | msgspec.UnsetType = msgspec.UNSET
    scopes: Iterable[str] | msgspec.UnsetType = msgspec.UNSET
    grants: Sequence[Grant] | msgspec.UnsetType | None = msgspec.UNSET


def create(
    records: Records,
    clock: Clock,
    *,
    tenant: str,
    name: str,
    wanted: Iterable[str] = (),
    given: Sequence[Grant] | None = (),
    by: Actor,
) -> Group:
    """Create a group with the scopes `wanted` and the grants `given` (`None` permits everything).

    Raise `not-found`, `tenant-deleted`, `group-exists`, `too-many-groups`, `tenant-limit-reached`
    (because of the grants), `too-many-revocations` or `unprocessable`.
    """
    now = milliseconds(clock)
    group = Group(
        id=uuid7_hex(),
        tenant=tenant,
        name=names.label(name, "name"),
        scopes=_scopes(wanted),
        grants=grants.of_group(given),
        created_at=now,
        version=now,
    )
    act = by.does("groups.create", tenant=tenant, about=group.id, at=now)
    with _problems(group.name):
        records.add_group(group, users.folded(group.name), act)
    return group


def read(records: Records, tenant: str, group: str) -> Group:
    """Return one group; raise `not-found`."""
    found = records.group(tenant, group)
    if found is None:
        raise _no_group()
    return found


def change(
    records: Records, clock: Clock, tenant: str, group: str, wanted: Change, by: Actor
) -> Group:
    """Change a group and return it.

    The change applies to all members in all services within five seconds. Raise `not-found`,
    `group-exists`, `tenant-limit-reached` or `unprocessable`.
    """
    read(records, tenant, group)
    unset = msgspec.UNSET
    name = unset if wanted.name is unset else names.label(wanted.name, "name")
    kept = unset if wanted.grants is unset else grants.of_group(wanted.grants)
    if kept is not unset and kept is not None:
        _require_fillable(kept, _members(records, tenant, group, kept))
    found = GroupChange(
        name=name,
        folded="" if name is unset else users.folded(name),
        scopes=unset if wanted.scopes is unset else _scopes(wanted.scopes),
        grants=kept,
    )
    act = by.does("groups.change", tenant=tenant, about=group, at=milliseconds(clock))
    with _problems("" if name is unset else name):
        records.change_group(tenant, group, found, act)
    return read(records, tenant, group)


def delete(records: Records, clock: Clock, tenant: str, group: str, by: Actor) -> None:
    """Delete a group, so that its members lose its grants and scopes; raise `not-found`."""
    act = by.does("groups.delete", tenant=tenant, about=group, at=milliseconds(clock))
    with _problems(""):
        records.delete_group(tenant, group, act)


def members(records: Records, tenant: str, group: str, *, after: str, limit: int) -> list[Member]:
    """Return a page of members; raise `not-found`."""
    with _problems(""):
        return records.members(tenant, group, after=after, limit=limit)


def change_members(
    records: Records,
    clock: Clock,
    tenant: str,
    group: str,
    *,
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
    by: Actor,
) -> None:
    """Add and remove users and clients by their ids; change nothing if an exception is raised.

    A second call has no effect. Raise `not-found` for the group, or `too-many-groups`. Raise
    `unprocessable` for an unknown id in `add`, an id in both lists, or too many ids.
    """
    if len(add) > MAX_MEMBERS_AT_ONCE or len(remove) > MAX_MEMBERS_AT_ONCE:
        raise UNPROCESSABLE(f"One request adds or removes at most {MAX_MEMBERS_AT_ONCE} members.")
    for subject in sorted(set(add).intersection(remove)):
        raise UNPROCESSABLE(f"The request both adds and removes '{shown(subject)}'.")
    kept = read(records, tenant, group).grants
    found = records.subjects(tenant, add)
    for missing in sorted(set(add).difference(member.id for member in found)):
        raise UNPROCESSABLE(f"The tenant has no user or client '{shown(missing)}'.")
    _require_fillable(kept or (), found)
    now = milliseconds(clock)
    with _problems(""):
        records.change_members(
            tenant,
            group,
            add={one: _act(by, "groups.add-member", tenant, group, one, now) for one in add},
            remove={
                one: _act(by, "groups.remove-member", tenant, group, one, now) for one in remove
            },
        )


def add_member(
    records: Records, clock: Clock, tenant: str, group: str, subject: str, by: Actor
) -> None:
    """Add one user or client; raise `not-found`, `too-many-groups` or `unprocessable`.

    A second call has no effect.
    """
    if not records.subjects(tenant, (subject,)):
        read(records, tenant, group)
        raise NOT_FOUND("The tenant has no such user or client.")
    change_members(records, clock, tenant, group, add=(subject,), by=by)


def remove_member(
    records: Records, clock: Clock, tenant: str, group: str, subject: str, by: Actor
) -> None:
    """Remove one user or client; raise `not-found` for the group. A second call has no effect."""
    change_members(records, clock, tenant, group, remove=(subject,), by=by)


def _act(by: Actor, name: str, tenant: str, group: str, subject: str, at: int) -> Act:
    return by.does(name, tenant=tenant, about=f"{group}/{subject}", at=at)


def _scopes(wanted: Iterable[str]) -> tuple[str, ...]:
    try:
        ordered = scopes.ordered(wanted)
    except scopes.UnknownScope as error:
        raise UNPROCESSABLE(f"There is an {error}.") from None
    for scope in ordered:
        if scope not in scopes.GROUP_SCOPES:
            raise UNPROCESSABLE(
                f"A group does not give the scope {scope}; the scopes of groups are "
                f"{', '.join(scopes.GROUP_SCOPES)}."
            )
    return ordered


def _members(records: Records, tenant: str, group: str, kept: Compact) -> Iterator[Member]:
    """Yield the members if a prefix contains `{username}`, which can make the prefix too long.

    Ids are short, so a prefix with any other placeholder needs no check for each member.
    """
    if not any(USERNAME in grant.prefix for grant in kept):
        return
    after = ""
    while found := members(records, tenant, group, after=after, limit=_PAGE):
        yield from found
        after = found[-1].id


def _require_fillable(kept: Compact, found: Iterable[Member]) -> None:
    """Raise `unprocessable` if a grant becomes too long when it is filled in for a member."""
    for member in found:
        holder = (
            Holder(user_id=member.id, username=member.name)
            if member.kind == "user"
            else Holder(client=member.id)
        )
        try:
            require_fillable(kept, holder, is_own=False)
        except GrantError as error:
            more = f"This concerns the member {member.id}."
            raise grants.refused(error, more) from None


def _no_group() -> Exception:
    return NOT_FOUND("The tenant has no such group.")


@contextmanager
def _problems(name: str) -> Iterator[None]:
    try:
        with limits.as_problems():
            yield
    except NoSuchGroup:
        raise _no_group() from None
    except NoSuchTenant:
        raise NOT_FOUND("There is no such tenant.") from None
    except TenantDeleted as error:
        raise TENANT_DELETED(f"The tenant {error} is deleted.") from None
    except NameTaken:
        raise GROUP_EXISTS(f"The tenant has a group {name} already.") from None
    except NoSuchMember as error:
        raise UNPROCESSABLE(f"The tenant has no user or client {error}.") from None
    except TooManyGroups:
        raise TOO_MANY_GROUPS(f"A tenant has at most {MAX_GROUPS_OF_TENANT} groups.") from None
    except MemberOfTooMany as error:
        raise TOO_MANY_GROUPS(
            f"The user or client {error} is in {MAX_GROUPS} groups, and more are not allowed."
        ) from None
