"""Checks of tokens: when a connection begins, and repeatedly while it is open."""

from __future__ import annotations

import time
from collections.abc import Callable

from servicekit import access
from servicekit.access import RevocationChecker
from servicekit.problems import FORBIDDEN, TOKEN_EXPIRED, ProblemError
from servicekit.tokens import Principal, Verifier
from wharf_upload.live.rules import require_listener

# Tokens for the API, and tokens for the live channel only.
AUDIENCES = ("upload", "live")


class TokenJudge:
    """Checks whether a token allows its bearer to listen; `clock` returns unix seconds."""

    def __init__(
        self,
        verifier: Verifier,
        revocations: RevocationChecker,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._verifier, self._revocations, self._clock = verifier, revocations, clock

    def accept(self, token: str) -> Principal:
        """Return the principal of a token.

        Raises the 401, 403 or 503 problem for which the token is refused.
        """
        principal = access.accept(token, self._verifier, self._revocations)
        require_listener(principal)
        if (refusal := self._expiry(principal)) is not None:
            raise refusal
        return principal

    def renew(self, principal: Principal, token: str) -> Principal:
        """Return the principal of a new token for the connection of `principal`.

        Raises the problems of `accept`, and `forbidden` if the token has another tenant or subject.
        """
        renewed = self.accept(token)
        if (renewed.tenant, renewed.subject) != (principal.tenant, principal.subject):
            raise FORBIDDEN("The token belongs to another tenant or subject than the connection.")
        return renewed

    def recheck(self, principal: Principal) -> Principal:
        """Return the principal with its current scopes and reach.

        Raises the problem for which the connection must end: the token has expired, the token was
        revoked, or the principal is no longer allowed to listen.
        """
        if (refusal := self._expiry(principal)) is not None:
            raise refusal
        now = self._revocations.accepted(principal)
        require_listener(now)
        return now

    def _expiry(self, principal: Principal) -> ProblemError | None:
        """Return the problem of an expired token, else `None`; the check has no leeway."""
        if principal.expires_at > self._clock():
            return None
        return access.unauthorized(TOKEN_EXPIRED, "The token has expired.", "invalid_token")
