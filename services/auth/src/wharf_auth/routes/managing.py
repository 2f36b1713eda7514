"""Who manages the users and clients of a tenant: administrators, and the tenant's owners."""

from __future__ import annotations

from servicekit.problems import NOT_FOUND
from servicekit.tokens import Principal
from wharf_auth.domain.scopes import ADMIN_SCOPE


def require_manager(principal: Principal, tenant: str) -> None:
    """Raises the problem `not-found` for an owner of another tenant: whether it is there is secret.

    The scope itself has been checked by the operation.
    """
    if ADMIN_SCOPE not in principal.scopes and principal.tenant != tenant:
        raise NOT_FOUND("There is no such tenant.")
