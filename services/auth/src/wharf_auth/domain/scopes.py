"""Scopes (RFC 6749 section 3.3): what a token allows."""

from __future__ import annotations

from collections.abc import Iterable

ADMIN_SCOPE = "tenants:admin"
# To manage the users and clients of the own tenant: owners have it, and no client can.
MEMBERS_SCOPE = "members:admin"
# In the order in which a token names them.
SCOPES = (
    "files:read",
    "files:write",
    "files:delete",
    "buckets:admin",
    "events:read",
    MEMBERS_SCOPE,
    ADMIN_SCOPE,
)
CLIENT_SCOPES = tuple(scope for scope in SCOPES if scope != MEMBERS_SCOPE)
# They let their holder change grants, its own included.
MANAGING_SCOPES = frozenset({ADMIN_SCOPE, MEMBERS_SCOPE})
GROUP_SCOPES = tuple(scope for scope in SCOPES if scope not in MANAGING_SCOPES)


def may_lift_grants(held: Iterable[str]) -> bool:
    """Tell whether a holder of these scopes could lift a list of grants of its own."""
    return not MANAGING_SCOPES.isdisjoint(held)


class UnknownScope(ValueError):
    """A scope that does not exist, or that this client may not have."""


def ordered(scopes: Iterable[str]) -> tuple[str, ...]:
    """Known scopes, each once, in a fixed order; raises `UnknownScope` for others."""
    wanted = set(scopes)
    unknown = wanted.difference(SCOPES)
    if unknown:
        raise UnknownScope(f"unknown scope {min(unknown)!r}; there are {', '.join(SCOPES)}")
    return tuple(scope for scope in SCOPES if scope in wanted)


def known(scopes: Iterable[str]) -> tuple[str, ...]:
    """Those that exist in this release, in the fixed order: others a newer one has given."""
    return ordered(set(scopes).intersection(SCOPES))


def narrowed(granted: tuple[str, ...], requested: str | None) -> tuple[str, ...]:
    """The scopes of a new token: all that are granted, or the requested part of them.

    Raises `UnknownScope` when something is requested that is not granted: handing out less than
    was asked for would fail later and farther from the cause.
    """
    if requested is None or not requested.strip():
        return granted
    wanted = requested.split()
    for scope in wanted:
        if scope not in granted:
            raise UnknownScope("a scope was asked for that is not granted")
    return ordered(wanted)
