"""Checks in the database whether a valid token is still accepted; auth needs no feed."""

from __future__ import annotations

from servicekit.access import unauthorized
from servicekit.problems import TENANT_SUSPENDED, TOKEN_REVOKED, ProblemError
from servicekit.tokens import Principal
from wharf_auth.database.contract import Records


class DatabaseRevocationChecker:
    """Implements `servicekit.access.RevocationChecker` for the requests to this service."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def accepted(self, principal: Principal) -> Principal:
        """Return the caller; raise `tenant-suspended` (403) or `token-revoked` (401)."""
        tenant = self._records.tenant(principal.tenant)
        if tenant is None or tenant.state in {"deleted", "purged"}:
            raise TENANT_SUSPENDED("The tenant of this token is deleted.")
        if tenant.state == "suspended":
            raise TENANT_SUSPENDED("The tenant of this token is suspended.")
        if self._records.revoked(
            principal.tenant,
            token=principal.token_id,
            session=principal.session,
            subject=principal.subject,
        ):
            raise unauthorized(
                TOKEN_REVOKED,
                "The token, its session, or the client or person it was made for was ended.",
                "invalid_token",
            )
        return principal

    def in_force(self, principal: Principal) -> bool:
        """Return whether `accepted` takes the token."""
        try:
            self.accepted(principal)
        except ProblemError:
            return False
        return True
