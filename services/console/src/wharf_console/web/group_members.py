"""Finds people and clients by the names that an owner types, to add them to a group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from wharf_console.api import clients, users
from wharf_console.api.clients import Wanted
from wharf_console.api.users import UserChange
from wharf_console.web.current import api, person
from wharf_console.web.language import gettext, ngettext

#: The most names in one form.
MOST = 100
# The most accounts that are read to find the names.
_LOOKED_AT = 10_000
_OWNER = "owner"


class Subject(NamedTuple):
    """A person or client.

    `is_limited` means that the person or client has own grants, or that the person is an owner, who
    may not have grants.
    """

    id: str
    is_client: bool
    is_limited: bool


class Found(NamedTuple):
    """The found people and clients, and the unknown names.

    `too_many`: there were more than `MOST` names, so that no search was made.
    """

    known: Sequence[Subject]
    unknown: Sequence[str]
    too_many: bool = False


def find(names: Sequence[str]) -> Found:
    """Find the people and the active clients with these names, which may also be their ids."""
    if len(names) > MOST:
        return Found((), (), too_many=True)
    left = {name.casefold(): name for name in names}
    known: list[Subject] = []
    for user in users.every(api(), person().tenant, at_most=_LOOKED_AT):
        if _takes(left, user.username, user.user_id):
            limited = user.grants is not None or user.role == _OWNER
            known.append(Subject(user.user_id, is_client=False, is_limited=limited))
        if not left:
            return Found(known, ())
    for client in clients.every(api(), person().tenant, at_most=_LOOKED_AT):
        if client.state == "active" and _takes(left, client.name, client.client_id):
            limited = client.grants is not None
            known.append(Subject(client.client_id, is_client=True, is_limited=limited))
        if not left:
            break
    return Found(known, tuple(left.values()))


def _takes(left: dict[str, str], *names: str) -> bool:
    """Remove the names from those that are searched for; tell whether one was among them."""
    meant = [left.pop(name.casefold(), "") for name in names]
    return any(meant)


def limit(subjects: Sequence[Subject]) -> int:
    """Give an empty list of grants to all subjects that are not limited; return their number."""
    changed = [one for one in subjects if not one.is_limited]
    for one in changed:
        if one.is_client:
            clients.change(api(), person().tenant, one.id, Wanted(grants=()))
        else:
            users.change(api(), person().tenant, one.id, UserChange(grants=()))
    return len(changed)


def refusal(found: Found) -> str:
    """Return the reason why no member is added."""
    if found.too_many:
        return ngettext(
            "At most %(num)d name is taken at once.",
            "At most %(num)d names are taken at once.",
            MOST,
        )
    return gettext("Nobody is called: %(names)s", names=gettext(", ").join(found.unknown))
