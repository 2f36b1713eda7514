"""Names of the people and programs whose ids the API gives."""

from __future__ import annotations

from collections.abc import Iterable

from wharf_console.api import clients, users
from wharf_console.web.current import api, person, user

# Names are looked up among so many; the others are shown by their ids.
_CLIENTS, _PEOPLE = 1000, 10_000


def names_of(subjects: Iterable[str]) -> dict[str, str]:
    """Return the names of others behind these ids; only owners may know them."""
    others = set(subjects) - {person().user_id}
    found: dict[str, str] = {}
    if not others or not user().may("members:admin"):
        return found
    tenant = person().tenant
    for client in clients.every(api(), tenant, at_most=_CLIENTS):
        if client.client_id in others:
            found[client.client_id] = client.name
    for one in users.every(api(), tenant, at_most=_PEOPLE):
        if len(found) == len(others):
            break
        if one.user_id in others:
            found[one.user_id] = one.display_name or one.username
    return found
