"""The counting of login tries, with metrics of their outcome."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask import request

from servicekit.problems import ProblemError
from servicekit.web import unavailable
from wharf_auth.accounts.clients import LoginRefused, TenantSuspended
from wharf_auth.accounts.login_throttle import Account, LoginsUncountable
from wharf_auth.accounts.secrets import HashingBusy
from wharf_auth.context import AppContext
from wharf_auth.metrics import ATTACKED, LOGINS_FAILED


@contextmanager
def trying(context: AppContext, account: Account, *, proven: bool = False) -> Iterator[None]:
    """Count a login try while the block verifies the secret; see `LoginThrottle.trying`.

    Raise the problems `quota-exceeded` and `unavailable`, and every exception of the block.
    """
    try:
        with context.throttle.trying(account, request.remote_addr or "", proven=proven):
            yield
    except LoginsUncountable:
        LOGINS_FAILED.labels("uncountable").inc()
        raise unavailable("Logins cannot be checked now.") from None
    except LoginRefused:
        LOGINS_FAILED.labels("refused").inc()
        if context.attacks.failed(account):
            ATTACKED.inc()
        raise
    except TenantSuspended:
        LOGINS_FAILED.labels("suspended").inc()
        raise
    except HashingBusy:
        LOGINS_FAILED.labels("busy").inc()
        raise
    except ProblemError:
        LOGINS_FAILED.labels("throttled").inc()
        raise
