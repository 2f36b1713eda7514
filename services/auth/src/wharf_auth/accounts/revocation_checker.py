"""The check in the database whether a valid token is still accepted, with its current rights.

Auth reads its own records, so it does not follow the feed.
"""

from __future__ import annotations

import msgspec

from servicekit.access import unauthorized
from servicekit.problems import TENANT_SUSPENDED, TOKEN_REVOKED, ProblemError
from servicekit.tokens import Principal
from wharf_auth.accounts import grants
from wharf_auth.database.contract import Records


class DatabaseRevocationChecker:
    """The implementation of `servicekit.access.RevocationChecker` for requests to auth."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def accepted(self, principal: Principal) -> Principal:
        """Return the principal with its current scopes, reach and claim `grants`.

        A principal whose subject is no user and no client stays unchanged. Raise
        `tenant-suspended` (403) or `token-revoked` (401).
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
                "The token or one of its parents was revoked, its session has ended, or its client "
                "or person was disabled or deleted.",
                "invalid_token",
            )
        standing = grants.of_subject(self._records, principal.tenant, principal.subject)
        if standing is None:
            # A ticket that an operator made belongs to no user and no client.
            return principal
        return msgspec.structs.replace(
            principal,
            scopes=principal.scopes.intersection(standing.scopes),
            grants=standing.claim(),
            reach=standing.reach,
        )

    def in_force(self, principal: Principal) -> bool:
        """Tell whether `accepted` accepts the token."""
        try:
            self.accepted(principal)
        except ProblemError:
            return False
        return True
