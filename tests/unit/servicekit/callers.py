"""Callers of services with grants in their tokens."""

from __future__ import annotations

from servicekit.grants_claim import GrantsClaim
from servicekit.reach import EVERYTHING, NOTHING
from servicekit.tokens import Principal

SCOPES = "files:read files:write"


def caller(
    claim: GrantsClaim | None = None, scopes: str = SCOPES, subject: str = "u1", tenant: str = "t"
) -> Principal:
    """Return a caller as the verifier does. Without a claim the caller has no list of grants."""
    return Principal(
        tenant,
        subject,
        frozenset(scopes.split()),
        "token-1",
        1_800_000_000,
        grants=claim,
        reach=EVERYTHING if claim is None else NOTHING,
    )
