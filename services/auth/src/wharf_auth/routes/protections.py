"""Who may call the routes of auth; each blueprint names one of these."""

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
    """Raise `not-found` for another tenant; administrators are of all tenants.

    Whether another tenant exists is a secret, so this rule comes before the scope.
    """
    if principal.tenant != arguments["tenant"] and ADMIN_SCOPE not in principal.scopes:
        raise NOT_FOUND("There is no such tenant.")


def _reading_or_original(principal: Principal, _: Mapping[str, Any]) -> None:
    """Raise `insufficient-scope` where a token that was exchanged would change an account.

    What it makes, a client with its secret for instance, would outlive it.
    """
    if request.method not in {"GET", "HEAD"} and not principal.is_original:
        raise SCOPE_MISSING(
            "A token made by token exchange changes no accounts. Use that of a login or a secret.",
            required_scope=ADMIN_SCOPE,
        )


#: Administrators of the installation.
ADMINISTRATORS = scope(ADMIN_SCOPE).where(_reading_or_original)
#: Administrators, and a tenant's owners; what owners see is for the handler to narrow.
ADMINISTRATORS_AND_OWNERS = scope(ADMIN_SCOPE, instead=MEMBERS_SCOPE)
#: Administrators, and the owners of the tenant that the path names.
MANAGERS_OF_TENANT = ADMINISTRATORS_AND_OWNERS.where(_own_tenant, _reading_or_original)


def people(records: Records) -> Protection:
    """Return the protection of routes about a person's own account; sets `g.person`.

    Programs and tickets get the problem `forbidden`.
    """

    def own_session(principal: Principal, _: Mapping[str, Any]) -> None:
        # A program's exchanged token has a `sid` as well, but no session of that name.
        found = records.active_session(principal.session) if principal.session else None
        if found is None or principal.ticket is not None:
            raise FORBIDDEN("This is about a person's own session; the token is none of a person.")
        g.person = found

    return TOKEN.where(own_session)
