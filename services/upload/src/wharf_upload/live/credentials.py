"""Judges tokens: at the beginning of a connection, and again and again while it lasts."""

from __future__ import annotations

import time
from collections.abc import Callable

from servicekit import access
from servicekit.access import RevocationChecker
from servicekit.problems import FORBIDDEN, TOKEN_EXPIRED, ProblemError
from servicekit.tokens import Principal, Verifier
from wharf_upload.live.rules import require_listener

# Tokens for the API, and tokens for this channel alone.
AUDIENCES = ("upload", "live")


class TokenJudge:
    """Says whether a token lets its bearer listen; `clock` gives unix seconds."""

    def __init__(
        self,
        verifier: Verifier,
        revocations: RevocationChecker,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._verifier, self._revocations, self._clock = verifier, revocations, clock

    def accept(self, token: str) -> Principal:
        """Return the principal of a token; raises 401, 403 and 503 problems."""
        principal = access.accept(token, self._verifier, self._revocations)
        require_listener(principal)
        if (refusal := self._expiry(principal)) is not None:
            raise refusal
        return principal

    def renew(self, principal: Principal, token: str) -> Principal:
        """Return the principal of another token of the same tenant and subject.

        Raises what `accept` raises, and the problem `forbidden` for somebody else's token.
        """
        renewed = self.accept(token)
        if (renewed.tenant, renewed.subject) != (principal.tenant, principal.subject):
            raise FORBIDDEN("The token is of another tenant or subject than the connection.")
        return renewed

    def recheck(self, principal: Principal) -> Principal:
        """Return the principal with the scopes and the reach that it has now.

        Raises the problem for which its connection has to end: it expired, somebody ended it, or
        it may hear nothing any more.
        """
        if (refusal := self._expiry(principal)) is not None:
            raise refusal
        now = self._revocations.accepted(principal)
        require_listener(now)
        return now

    def _expiry(self, principal: Principal) -> ProblemError | None:
        """Return the problem of a token whose time is over, to the second: no leeway here."""
        if principal.expires_at > self._clock():
            return None
        return access.unauthorized(TOKEN_EXPIRED, "The token has expired.", "invalid_token")
