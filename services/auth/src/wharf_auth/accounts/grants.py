"""Grants: taken from requests, and what they come to for a user or client, its groups included."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from servicekit import grants
from servicekit.grants import Compact, Grant, GrantError, Holder
from servicekit.grants_claim import GrantsClaim, GroupPart, fitting
from servicekit.problems import UNPROCESSABLE, ProblemError
from servicekit.reach import Reach, reach_of
from wharf_auth.database.contract import Client, Records
from wharf_auth.database.groups_contract import Group
from wharf_auth.database.people_contract import User
from wharf_auth.domain import scopes, users

# Ids that are made are all of this length. What a name makes of a prefix is judged with members.
_ID = "0" * 32
_EXAMPLES = (Holder(user_id=_ID, username="x"), Holder(client=_ID))


def own(given: Sequence[Grant] | None, holder: Holder) -> Compact | None:
    """The grants of a user or client as they are kept; raises `unprocessable`."""
    if given is None:
        return None
    try:
        kept = grants.checked(given)
        grants.require_fillable(kept, holder, is_own=True)
    except GrantError as error:
        raise refused(error) from None
    return kept


def of_group(given: Sequence[Grant] | None) -> Compact | None:
    """The grants of a group as they are kept; raises `unprocessable`."""
    if given is None:
        return None
    try:
        kept = grants.checked(given)
        for holder in _EXAMPLES:
            grants.require_fillable(kept, holder, is_own=False)
    except GrantError as error:
        raise refused(error) from None
    return kept


def refused(error: GrantError, more: str = "") -> ProblemError:
    """The problem of a grant that is not acceptable; `index` is its place in the list, from 0."""
    detail = f"{error} {more}".rstrip()
    return (
        UNPROCESSABLE(detail) if error.index is None else UNPROCESSABLE(detail, index=error.index)
    )


def require_unlimited(held: Iterable[str], kept: Compact | None) -> None:
    """Raise `unprocessable` where there is a list of grants beside a scope that could lift it."""
    if kept is not None and scopes.may_lift_grants(held):
        raise limited_manager()


def limited_manager() -> ProblemError:
    """The problem of a list of grants for a manager, which could lift it."""
    return UNPROCESSABLE(
        f"Owners, and clients with the scope {scopes.ADMIN_SCOPE}, have no list of grants: they "
        "could lift it. Send `null` (--all at the command line), or take the role or scope away."
    )


@dataclass(frozen=True)
class Standing:
    """What a user or client may do, and by what: a role or scopes, own grants, and groups.

    `version` is of the last change of the own grants, scopes or groups.
    """

    holder: Holder
    version: int
    own_scopes: tuple[str, ...]
    own_grants: Compact | None
    groups: tuple[Group, ...]

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes, those of groups included."""
        return scopes.known(
            {*self.own_scopes, *(scope for group in self.groups for scope in group.scopes)}
        )

    @property
    def grants(self) -> Compact | None:
        """All grants, filled in; `None` for everything."""
        parts = (self.own_grants, *(group.grants for group in self.groups))
        if any(part is None for part in parts):
            return None
        return tuple(
            dict.fromkeys(one for part in parts for one in grants.filled(part or (), self.holder))
        )

    @property
    def reach(self) -> Reach:
        """What the grants come to."""
        return reach_of(grants.as_list(self.grants))

    def claim(self) -> GrantsClaim | None:
        """The claim `grants` of its tokens; `None` without a list and groups."""
        if self.own_grants is None and not self.groups:
            return None
        return fitting(
            GrantsClaim(
                self.version,
                self._filled(self.own_grants),
                " ".join(self.own_scopes),
                self.holder.username,
                tuple(
                    GroupPart(
                        group.id,
                        group.version,
                        " ".join(group.scopes),
                        self._filled(group.grants),
                    )
                    for group in self.groups
                ),
            )
        )

    def _filled(self, part: Compact | None) -> Compact:
        return grants.filled(grants.as_list(part), self.holder)


def of_client(records: Records, client: Client) -> Standing:
    """What a client may do. Its groups are read here, after it was read."""
    return Standing(
        Holder(client=client.id),
        client.reach_version,
        client.scopes,
        client.grants,
        _groups(records, client.tenant, client.id),
    )


def of_user(records: Records, user: User) -> Standing:
    """What a person may do. Its groups are read here, after it was read."""
    return Standing(
        Holder(user_id=user.id, username=user.username),
        user.reach_version,
        users.scopes_of(user.role),
        user.grants,
        _groups(records, user.tenant, user.id),
    )


def of_subject(records: Records, tenant: str, subject: str) -> Standing | None:
    """What the user or client of this id may do; `None` when there is none."""
    client = records.client(tenant, subject)
    if client is not None:
        return of_client(records, client)
    user = records.user(tenant, subject)
    return None if user is None else of_user(records, user)


def _groups(records: Records, tenant: str, subject: str) -> tuple[Group, ...]:
    return tuple(records.groups_of(tenant, (subject,)).get(subject, ()))
