"""Whether who shows a token may still work; with the accounts at hand, no feed is needed."""

from __future__ import annotations

from servicekit.access import unauthorized
from servicekit.problems import TENANT_SUSPENDED, TOKEN_REVOKED, ProblemError
from servicekit.tokens import Principal
from wharf_auth.records.base import Records


class Standing:
    """Judges each request to this service: `servicekit.access.RevocationChecker`."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def check(self, principal: Principal) -> None:
        """Raises `tenant-suspended` (403) or `token-revoked` (401) where one of them is so."""
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

    def in_force(self, principal: Principal) -> bool:
        """Whether `check` has nothing to say."""
        try:
            self.check(principal)
        except ProblemError:
            return False
        return True
