"""HTTP routes, one file per resource."""

from __future__ import annotations

from dataclasses import dataclass

from werkzeug.routing import BaseConverter

from servicekit.tokens import Verifier
from wharf_auth.accounts.secrets import Hasher
from wharf_auth.accounts.sessions import SessionService
from wharf_auth.accounts.users import UserService
from wharf_auth.database.contract import Records
from wharf_auth.domain.clock import Clock
from wharf_auth.domain.names import TENANT_PATTERN
from wharf_auth.settings import Settings
from wharf_auth.signing import KeyRing
from wharf_auth.throttling import LoginThrottle


@dataclass(frozen=True)
class Parts:
    """What the routes work with; put together in `app.py`."""

    settings: Settings
    records: Records
    users: UserService
    sessions: SessionService
    keys: KeyRing
    hasher: Hasher
    throttle: LoginThrottle
    clock: Clock
    # Of tokens that are shown as parameters, whoever they are for.
    verifier: Verifier


class TenantConverter(BaseConverter):
    """`<tenant:…>`: what cannot be a tenant's name is not found."""

    regex = TENANT_PATTERN


class ClientConverter(BaseConverter):
    """`<client:…>`: what cannot be a client's id is not found."""

    regex = "[A-Za-z0-9_-]{1,64}"
