"""A client proves itself at an OAuth endpoint; failures are counted and throttled."""

from __future__ import annotations

import logging
from collections.abc import Callable

from flask import request

from servicekit.problems import ProblemError
from wharf_auth.accounts import clients
from wharf_auth.accounts.secrets import HashingBusy
from wharf_auth.context import AppContext
from wharf_auth.database.contract import Client
from wharf_auth.metrics import LOGINS_FAILED
from wharf_auth.routes.credentials import Credentials, credentials_of
from wharf_auth.routes.oauth_errors import OAuthError, unavailable

log = logging.getLogger(__name__)


def logged_in(context: AppContext) -> Client:
    """The client of the request; raises `OAuthError`, or the problem `quota-exceeded`."""
    return login(context, credentials_of(request))


def login(context: AppContext, credentials: Credentials) -> Client:
    """The client that proves itself; raises `OAuthError`, or the problem `quota-exceeded`."""
    address = request.remote_addr or ""
    counting(lambda: context.throttle.check(credentials.client_id, address))
    try:
        return clients.authenticate(context.records, context.hasher, credentials.readings, address)
    except clients.LoginRefused:
        LOGINS_FAILED.labels("refused").inc()
        counting(lambda: context.throttle.failed(credentials.client_id, address))
        raise OAuthError(
            "invalid_client", "The client is not known, or its secret is wrong.", 401
        ) from None
    except clients.TenantSuspended:
        LOGINS_FAILED.labels("suspended").inc()
        raise OAuthError("unauthorized_client", "The client's tenant is suspended.") from None
    except HashingBusy:
        LOGINS_FAILED.labels("busy").inc()
        raise unavailable("Too many logins at once.") from None
    except ProblemError:
        LOGINS_FAILED.labels("throttled").inc()
        raise


def counting(count: Callable[[], None]) -> None:
    """Counts failed logins, or lets nobody in: a storage that is down must not open the door."""
    try:
        count()
    except ProblemError:
        LOGINS_FAILED.labels("throttled").inc()
        raise
    except Exception as error:  # noqa: BLE001 -- each storage has exceptions of its own
        log.warning("failed logins cannot be counted: %s", error)
        LOGINS_FAILED.labels("uncountable").inc()
        raise unavailable("Logins cannot be checked now.") from None
