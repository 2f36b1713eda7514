"""Who manages the users and clients of a tenant: administrators, and the tenant's owners."""

from __future__ import annotations

from flask import Blueprint, g, request

from servicekit.problems import NOT_FOUND
from wharf_auth.domain.scopes import ADMIN_SCOPE


def keep_to_own_tenant(routes: Blueprint) -> None:
    """Has all routes of a blueprint answer `not-found` to whoever is of another tenant.

    Administrators are of all tenants. Whether another tenant is there at all is a secret, so this
    comes before the scope, which the operation itself checks.
    """

    @routes.before_request
    def require() -> None:
        principal = g.principal
        foreign = principal.tenant != (request.view_args or {})["tenant"]
        if foreign and ADMIN_SCOPE not in principal.scopes:
            raise NOT_FOUND("There is no such tenant.")
