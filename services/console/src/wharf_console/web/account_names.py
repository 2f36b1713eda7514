"""Finds the names of people and clients for their ids."""

from __future__ import annotations

from collections.abc import Iterable

from wharf_console.api import clients, users
from wharf_console.web.current import api, person, user

# The most accounts that are read to find names; others are shown by their ids.
_CLIENTS, _PEOPLE = 1000, 10_000


def names_of(subjects: Iterable[str]) -> dict[str, str]:
    """Return the names of the other people and clients with these ids; only owners get names.

    An id without a known name is absent.
    """
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
