"""The protections of auth's routes: each blueprint names one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import g, request

from servicekit.problems import FORBIDDEN, NOT_FOUND, SCOPE_MISSING
from servicekit.protection import TOKEN, Protection, scope
from servicekit.tokens import Principal
from wharf_auth.database.contract import Records
from wharf_auth.domain.scopes import ADMIN_SCOPE, MEMBERS_SCOPE


def _own_tenant(principal: Principal, arguments: Mapping[str, Any]) -> None:
    """Raise `not-found` for another tenant than the caller's; administrators may use all tenants.

    Callers must not learn whether another tenant exists. So this rule is checked before the scope.
    """
    if principal.tenant != arguments["tenant"] and ADMIN_SCOPE not in principal.scopes:
        raise NOT_FOUND("There is no such tenant.")


def _reading_or_original(principal: Principal, _: Mapping[str, Any]) -> None:
    """Raise `insufficient-scope` if an exchanged token would change an account.

    An account that an exchanged token made, for instance a client, would outlive the token.
    """
    if request.method not in {"GET", "HEAD"} and not principal.is_original:
        raise SCOPE_MISSING(
            "A token from a token exchange cannot change accounts. Use the token of a login or "
            "secret.",
            required_scope=ADMIN_SCOPE,
        )


#: Administrators of the installation.
ADMINISTRATORS = scope(ADMIN_SCOPE).where(_reading_or_original)
#: Administrators, and a tenant's owners. The handler has to restrict owners to their tenant.
ADMINISTRATORS_AND_OWNERS = scope(ADMIN_SCOPE, instead=MEMBERS_SCOPE)
#: Administrators, and the owners of the tenant that the path names.
MANAGERS_OF_TENANT = ADMINISTRATORS_AND_OWNERS.where(_own_tenant, _reading_or_original)


def people(records: Records) -> Protection:
    """Return the protection of routes about a person's own account; it sets `g.person`.

    The protection refuses tokens of clients, and tickets, with the problem `forbidden`.
    """

    def own_session(principal: Principal, _: Mapping[str, Any]) -> None:
        # The exchanged token of a client has a `sid` too, but no session has that id.
        found = records.active_session(principal.session) if principal.session else None
        if found is None or principal.ticket is not None:
            raise FORBIDDEN(
                "This address needs the token of a person; this token has no session of a person."
            )
        g.person = found

    return TOKEN.where(own_session)
