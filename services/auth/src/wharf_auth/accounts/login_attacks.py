"""The detection of attacks: logins of one person that fail from many networks.

Such failures mean that an attacker guesses the password. Auth does not lock the person out.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict

from servicekit.database import DatabaseUnavailable
from wharf_auth.accounts.login_throttle import Account
from wharf_auth.database.people_contract import People
from wharf_auth.database.tries_contract import LoginTries
from wharf_auth.domain.clock import Clock, milliseconds

log = logging.getLogger(__name__)
#: A person who has forgotten the password fails from fewer networks within an hour.
MANY_NETWORKS = 20
_HOUR_MILLISECONDS = 3600 * 1000
_MOST_TOLD = 1000


class LoginAttacks:
    """A detector that reports an attacked person at most once an hour.

    The detector reports only existing persons, so that no log contains a text that a client
    invented.
    """

    def __init__(self, tries: LoginTries, people: People, clock: Clock) -> None:
        self._tries, self._people, self._clock = tries, people, clock
        self._told: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()

    def failed(self, account: Account) -> bool:
        """Check an account after a failed login; return whether a new attack was reported."""
        if account.tenant is None:
            return False
        try:
            return self._failed(account, account.tenant)
        except DatabaseUnavailable as error:
            log.warning("cannot check an account for attacks: %s", error)
            return False

    def _failed(self, account: Account, tenant: str) -> bool:
        now, digest = milliseconds(self._clock), account.digest
        networks = self._tries.networks_of(digest, now - _HOUR_MILLISECONDS, MANY_NETWORKS)
        if networks < MANY_NETWORKS or not account.may_exist:
            return False
        user = self._people.named(tenant, account.name)
        # Only names of existing persons are remembered: invented names would displace them.
        if user is None or not self._is_new(digest, now):
            return False
        log.warning(
            "logins of the user %s of the tenant %s have failed from %d or more networks within an "
            "hour",
            user.id,
            tenant,
            MANY_NETWORKS,
        )
        return True

    def _is_new(self, digest: str, now: int) -> bool:
        with self._lock:
            if self._told.get(digest, now - _HOUR_MILLISECONDS) > now - _HOUR_MILLISECONDS:
                return False
            self._told[digest] = now
            self._told.move_to_end(digest)
            if len(self._told) > _MOST_TOLD:
                self._told.popitem(last=False)
            return True
