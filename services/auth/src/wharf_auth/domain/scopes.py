"""The scopes of tokens (RFC 6749 section 3.3)."""

from __future__ import annotations

from collections.abc import Iterable

ADMIN_SCOPE = "tenants:admin"
# The scope to manage users and clients of the own tenant: owners have it, clients cannot have it.
MEMBERS_SCOPE = "members:admin"
# All scopes, in the order in which a token names them.
SCOPES = (
    "files:read",
    "files:write",
    "files:delete",
    "buckets:admin",
    "events:read",
    "webhooks:admin",
    MEMBERS_SCOPE,
    ADMIN_SCOPE,
)
CLIENT_SCOPES = tuple(scope for scope in SCOPES if scope != MEMBERS_SCOPE)
# A user or client with one of these scopes can change grants, including its own.
MANAGING_SCOPES = frozenset({ADMIN_SCOPE, MEMBERS_SCOPE})
GROUP_SCOPES = tuple(scope for scope in SCOPES if scope not in MANAGING_SCOPES)


def may_lift_grants(held: Iterable[str]) -> bool:
    """Tell whether a user or client with these scopes could remove its own list of grants."""
    return not MANAGING_SCOPES.isdisjoint(held)


class UnknownScope(ValueError):
    """A scope that does not exist, or that this client may not have."""


def ordered(scopes: Iterable[str]) -> tuple[str, ...]:
    """Return each scope once, in a fixed order; raise `UnknownScope` for an unknown scope."""
    wanted = set(scopes)
    unknown = wanted.difference(SCOPES)
    if unknown:
        raise UnknownScope(f"unknown scope {min(unknown)!r}; the scopes are {', '.join(SCOPES)}")
    return tuple(scope for scope in SCOPES if scope in wanted)


def known(scopes: Iterable[str]) -> tuple[str, ...]:
    """Return the scopes that this release knows, in the fixed order.

    A newer release may have granted scopes that this release does not know.
    """
    return ordered(set(scopes).intersection(SCOPES))


def narrowed(granted: tuple[str, ...], requested: str | None) -> tuple[str, ...]:
    """Return the scopes of a new token: the requested scopes, or all granted ones by default.

    Raise `UnknownScope` if a requested scope is not granted. A token with fewer scopes than
    requested would fail later, far from the cause.
    """
    if requested is None or not requested.strip():
        return granted
    wanted = requested.split()
    for scope in wanted:
        if scope not in granted:
            raise UnknownScope("a requested scope is not granted")
    return ordered(wanted)
