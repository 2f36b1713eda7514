"""Reads the credential of a request, makes a principal of it, and checks its permissions."""

from __future__ import annotations

from servicekit import access
from servicekit.access import RevocationChecker
from servicekit.problems import CREDENTIALS_AMBIGUOUS, TOKEN_MALFORMED, TOKEN_MISSING
from servicekit.tokens import Principal, Verifier
from wharf_upload.access.authorization import WRITE, Authorizer
from wharf_upload.http.request import TICKETS, Request, raw_path


class Credentials:
    """Authenticates requests, and asks the authorizer whether they are permitted."""

    def __init__(
        self, verifier: Verifier, revocations: RevocationChecker, authorizer: Authorizer
    ) -> None:
        self._verifier, self._revocations = verifier, revocations
        self._authorizer = authorizer

    def authorize(self, request: Request, scope: str, *, takes_tickets: bool = False) -> Principal:
        """Return the caller's principal if it has the scope and is within the rate limits.

        Sets `request.principal` as soon as it is known. Raises problems with 400, 401, 403, 429 and
        503.
        """
        if request.by_ticket:
            principal = self._by_ticket(request)
        else:
            principal = access.authenticate(request.environ, self._verifier, self._revocations)
        request.principal = principal
        self._authorizer.require(principal, scope, takes_tickets=takes_tickets)
        return principal

    def authorize_upload(self, request: Request) -> Principal:
        """Return the principal of an upload; raises the errors of `authorize`."""
        return self.authorize(request, WRITE, takes_tickets=True)

    def _by_ticket(self, request: Request) -> Principal:
        """Return the principal of the ticket in the path.

        A plain form can send no other credential.
        """
        if request.header("AUTHORIZATION") or access.in_query(request.environ):
            raise CREDENTIALS_AMBIGUOUS(
                "The request has a credential in addition to the ticket in its address."
            )
        token = raw_path(request.environ)[len(TICKETS) :].partition("/")[0]
        if not token:
            raise access.unauthorized(TOKEN_MISSING, "The address contains no ticket.", "")
        principal = access.accept(token, self._verifier, self._revocations)
        if principal.ticket is None:
            # An ordinary token permits more, and other people may see an address.
            raise access.unauthorized(
                TOKEN_MALFORMED,
                "The token in the address is not an upload ticket.",
                "invalid_token",
            )
        return principal
