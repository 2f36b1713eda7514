"""Whether who shows a token may still work; with the accounts at hand, no feed is needed."""

from __future__ import annotations

from servicekit.access import unauthorized
from servicekit.tokens import Principal
from wharf_auth.problems import ACCOUNT_INACTIVE
from wharf_auth.records.base import Records


def in_force(records: Records, principal: Principal) -> bool:
    """Whether neither the token, its session, its subject nor its tenant was ended since."""
    tenant = records.tenant(principal.tenant)
    return (
        tenant is not None
        and tenant.state == "active"
        and not records.revoked(
            principal.tenant,
            token=principal.token_id,
            session=principal.session,
            subject=principal.subject,
        )
    )


def require(records: Records, principal: Principal) -> None:
    """Raises the problem that says why the token is of no more use."""
    if not in_force(records, principal):
        raise unauthorized(
            ACCOUNT_INACTIVE, "The client or its tenant is not active.", "invalid_token"
        )
