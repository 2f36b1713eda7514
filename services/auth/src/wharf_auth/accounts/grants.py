"""The checks of grants in requests, and the rights of a user or client with its groups."""

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

# All ids of users and clients have this length. User names have different lengths, so prefixes with
# user names are checked with the group's members.
_ID = "0" * 32
_EXAMPLES = (Holder(user_id=_ID, username="x"), Holder(client=_ID))


def own(given: Sequence[Grant] | None, holder: Holder) -> Compact | None:
    """Check the grants of a user or client; return their stored form. Raise `unprocessable`."""
    if given is None:
        return None
    try:
        kept = grants.checked(given)
        grants.require_fillable(kept, holder, is_own=True)
    except GrantError as error:
        raise refused(error) from None
    return kept


def of_group(given: Sequence[Grant] | None) -> Compact | None:
    """Check the grants of a group; return their stored form. Raise `unprocessable`."""
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
    """Return the problem for a grant that is not valid; `index` is its index in the list."""
    detail = f"{error} {more}".rstrip()
    return (
        UNPROCESSABLE(detail) if error.index is None else UNPROCESSABLE(detail, index=error.index)
    )


def require_unlimited(held: Iterable[str], kept: Compact | None) -> None:
    """Raise `unprocessable` for a list of grants if one of the scopes allows removing the list."""
    if kept is not None and scopes.may_lift_grants(held):
        raise limited_manager()


def limited_manager() -> ProblemError:
    """Return the problem for a list of grants of a user or client that could remove the list."""
    return UNPROCESSABLE(
        f"Owners, and clients with the scope {scopes.ADMIN_SCOPE}, have no list of grants: they "
        "could remove it. Send `null` (--all on the command line), or remove the role or scope."
    )


@dataclass(frozen=True)
class Standing:
    """The rights of a user or client, from its own scopes and grants, and from its groups.

    `version` grows with each change of the own grants, the own scopes or the list of groups.
    """

    holder: Holder
    version: int
    own_scopes: tuple[str, ...]
    own_grants: Compact | None
    groups: tuple[Group, ...]

    @property
    def scopes(self) -> tuple[str, ...]:
        """Return all scopes, including the scopes of groups."""
        return scopes.known(
            {*self.own_scopes, *(scope for group in self.groups for scope in group.scopes)}
        )

    @property
    def grants(self) -> Compact | None:
        """Return all grants with placeholders filled in; `None` if everything is permitted."""
        parts = (self.own_grants, *(group.grants for group in self.groups))
        if any(part is None for part in parts):
            return None
        return tuple(
            dict.fromkeys(one for part in parts for one in grants.filled(part or (), self.holder))
        )

    @property
    def reach(self) -> Reach:
        """Return the reach that the grants permit."""
        return reach_of(grants.as_list(self.grants))

    def claim(self) -> GrantsClaim | None:
        """Return the claim `grants` for tokens; `None` if there is no own list and no group."""
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
    """Return the rights of a client, whose record the caller has read; read only its groups."""
    return Standing(
        Holder(client=client.id),
        client.reach_version,
        client.scopes,
        client.grants,
        _groups(records, client.tenant, client.id),
    )


def of_user(records: Records, user: User) -> Standing:
    """Return the rights of a person, whose record the caller has read; read only the groups."""
    return Standing(
        Holder(user_id=user.id, username=user.username),
        user.reach_version,
        users.scopes_of(user.role),
        user.grants,
        _groups(records, user.tenant, user.id),
    )


def of_subject(records: Records, tenant: str, subject: str) -> Standing | None:
    """Return the rights of the user or client with this id; `None` if it does not exist."""
    client = records.client(tenant, subject)
    if client is not None:
        return of_client(records, client)
    user = records.user(tenant, subject)
    return None if user is None else of_user(records, user)


def _groups(records: Records, tenant: str, subject: str) -> tuple[Group, ...]:
    return tuple(records.groups_of(tenant, (subject,)).get(subject, ()))
