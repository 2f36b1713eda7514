"""The authentication of clients at the OAuth endpoints; failures are counted and throttled."""

from __future__ import annotations

from flask import request

from wharf_auth.accounts import clients
from wharf_auth.accounts.login_throttle import Account
from wharf_auth.accounts.secrets import HashingBusy
from wharf_auth.context import AppContext
from wharf_auth.database.contract import Client
from wharf_auth.routes.credentials import Credentials, credentials_of
from wharf_auth.routes.oauth_errors import OAuthError, unavailable
from wharf_auth.routes.trying import trying


def logged_in(context: AppContext) -> Client:
    """Return the client that the request authenticates; raise the exceptions of `login`."""
    return login(context, credentials_of(request))


def login(context: AppContext, credentials: Credentials) -> Client:
    """Return the client that these credentials authenticate.

    Raise `OAuthError`, the problem `quota-exceeded` after too many failures or requests, or the
    problem `unavailable` if tries cannot be counted.
    """
    address = request.remote_addr or ""
    try:
        with trying(context, Account.client(credentials.client_id)):
            return clients.authenticate(
                context.records, context.hasher, credentials.readings, address
            )
    except clients.LoginRefused:
        raise OAuthError(
            "invalid_client", "The client is not known, or its secret is wrong.", 401
        ) from None
    except clients.TenantSuspended:
        raise OAuthError("unauthorized_client", "The client's tenant is suspended.") from None
    except HashingBusy:
        raise unavailable("Too many logins are in progress.") from None
