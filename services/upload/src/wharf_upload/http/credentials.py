"""Finds the credential of a request, makes a principal of it, and has it judged."""

from __future__ import annotations

from servicekit import access
from servicekit.access import RevocationChecker
from servicekit.problems import CREDENTIALS_AMBIGUOUS, TOKEN_MALFORMED, TOKEN_MISSING
from servicekit.tokens import Principal, Verifier
from wharf_upload.access.authorization import WRITE, Authorizer
from wharf_upload.http.request import TICKETS, Request, raw_path


class Credentials:
    """Authenticates requests, and asks the authorizer whether they may."""

    def __init__(
        self, verifier: Verifier, revocations: RevocationChecker, authorizer: Authorizer
    ) -> None:
        self._verifier, self._revocations = verifier, revocations
        self._authorizer = authorizer

    def authorize(self, request: Request, scope: str, *, takes_tickets: bool = False) -> Principal:
        """Return who asks, with the scope, within the rate limits.

        Sets `request.principal` as soon as it is known. Raises 400, 401, 403, 429 and 503 problems.
        """
        if request.by_ticket:
            principal = self._by_ticket(request)
        else:
            principal = access.authenticate(request.environ, self._verifier, self._revocations)
        request.principal = principal
        self._authorizer.require(principal, scope, takes_tickets=takes_tickets)
        return principal

    def authorize_upload(self, request: Request) -> Principal:
        """Return who uploads, by a token or by a ticket; raises what `authorize` raises."""
        return self.authorize(request, WRITE, takes_tickets=True)

    def _by_ticket(self, request: Request) -> Principal:
        """Who asks by the ticket in the path, which lets a plain form have a credential."""
        if request.header("AUTHORIZATION") or access.in_query(request.environ):
            raise CREDENTIALS_AMBIGUOUS(
                "Beside the ticket in its address the request has a credential."
            )
        token = raw_path(request.environ)[len(TICKETS) :].partition("/")[0]
        if not token:
            raise access.unauthorized(TOKEN_MISSING, "The address holds no ticket.", "")
        principal = access.accept(token, self._verifier, self._revocations)
        if principal.ticket is None:
            # It can do more than it should in an address, where others may see it.
            raise access.unauthorized(
                TOKEN_MALFORMED,
                "The address holds a token that is no upload ticket.",
                "invalid_token",
            )
        return principal
