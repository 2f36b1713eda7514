"""Checks in the database whether a valid token is still accepted, and what its bearer may do now.

Auth needs no feed.
"""

from __future__ import annotations

import msgspec

from servicekit.access import unauthorized
from servicekit.problems import TENANT_SUSPENDED, TOKEN_REVOKED, ProblemError
from servicekit.tokens import Principal
from wharf_auth.accounts import grants
from wharf_auth.database.contract import Records


class DatabaseRevocationChecker:
    """Implements `servicekit.access.RevocationChecker` for the requests to this service."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def accepted(self, principal: Principal) -> Principal:
        """Return the caller with the scopes, the reach and the claim `grants` that it has now.

        Raises `tenant-suspended` (403) or `token-revoked` (401).
        """
        tenant = self._records.tenant(principal.tenant)
        if tenant is None or tenant.state in {"deleted", "purged"}:
            raise TENANT_SUSPENDED("The tenant of this token is deleted.")
        if tenant.state == "suspended":
            raise TENANT_SUSPENDED("The tenant of this token is suspended.")
        if self._records.revoked(
            principal.tenant,
            tokens=(principal.token_id, *principal.parents),
            session=principal.session,
            subject=principal.subject,
        ):
            raise unauthorized(
                TOKEN_REVOKED,
                "The token, one that it was made from, its session, or the client or person it was "
                "made for was ended.",
                "invalid_token",
            )
        standing = grants.of_subject(self._records, principal.tenant, principal.subject)
        if standing is None:
            # An operator's ticket: it is of nobody.
            return principal
        return msgspec.structs.replace(
            principal,
            scopes=principal.scopes.intersection(standing.scopes),
            grants=standing.claim(),
            reach=standing.reach,
        )

    def in_force(self, principal: Principal) -> bool:
        """Return whether `accepted` takes the token."""
        try:
            self.accepted(principal)
        except ProblemError:
            return False
        return True
