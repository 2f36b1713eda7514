"""The parts that auth's routes use; `bootstrap.py` builds them."""

from __future__ import annotations

from dataclasses import dataclass

from servicekit.tokens import Verifier
from wharf_auth.accounts.housekeeping import Housekeeping
from wharf_auth.accounts.login_attacks import LoginAttacks
from wharf_auth.accounts.login_throttle import LoginThrottle
from wharf_auth.accounts.revocation_checker import DatabaseRevocationChecker
from wharf_auth.accounts.secrets import Hasher
from wharf_auth.accounts.sessions import SessionService
from wharf_auth.accounts.users import UserService
from wharf_auth.database.contract import Records
from wharf_auth.domain.clock import Clock
from wharf_auth.settings import Settings
from wharf_auth.signing import KeyRing


@dataclass(frozen=True)
class AppContext:
    """All parts of the service, built once at startup.

    Attributes:
        auth_verifier: verifies the tokens of requests to this service.
        upload_verifier: verifies tokens that clients send as parameters.
        live_verifier: verifies tokens of the live channel that clients send as parameters.
    """

    settings: Settings
    records: Records
    users: UserService
    sessions: SessionService
    revocations: DatabaseRevocationChecker
    housekeeping: Housekeeping
    keys: KeyRing
    hasher: Hasher
    throttle: LoginThrottle
    attacks: LoginAttacks
    auth_verifier: Verifier
    upload_verifier: Verifier
    live_verifier: Verifier
    clock: Clock
