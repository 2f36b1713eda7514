"""The authentication of a request: read its token from a WSGI environment and verify the token."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

from servicekit.problems import (
    CREDENTIALS_AMBIGUOUS,
    SCOPE_MISSING,
    TOKEN_EXPIRED,
    TOKEN_MALFORMED,
    TOKEN_MISSING,
    TOKEN_SIGNATURE,
    UNAVAILABLE,
    Problem,
    ProblemError,
)
from servicekit.tokens import (
    BadSignature,
    ExpiredToken,
    KeysUnavailable,
    Principal,
    TokenError,
    Verifier,
)

# RFC 6750 section 2.1 (b64token); the scheme's name is case-insensitive.
_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9\-._~+/]+=*) *\Z")
_SCHEME = re.compile(r"(?i)\bbearer\b")
_QUERY_TOKEN = re.compile(r"(?:^|&)access_token=")


class RevocationChecker(Protocol):
    """A checker that refuses revoked tokens and finds the current rights of a principal."""

    def accepted(self, principal: Principal) -> Principal:
        """Return the principal with its current scopes and reach; every request calls this.

        Raise a problem if the principal is no longer accepted.
        """


def authenticate(
    environ: Mapping[str, Any], verifier: Verifier, checker: RevocationChecker | None = None
) -> Principal:
    """Return the principal of a request; raise a 401, 400, 403 or 503 problem."""
    return accept(bearer(environ), verifier, checker)


def bearer(environ: Mapping[str, Any]) -> str:
    """Return the token of a request without verifying it; raise a 401 or 400 problem.

    Only the header field `Authorization` is accepted (RFC 6750 section 2.1): logs and browser
    histories would contain a token in the query.
    """
    header = environ.get("HTTP_AUTHORIZATION")
    if not header:
        detail = "The request has no Authorization header."
        if in_query(environ):
            detail = "A token in the query is not accepted; send it in the Authorization header."
        raise unauthorized(TOKEN_MISSING, detail, "")
    match = _BEARER.match(header)
    if match is None:
        if len(_SCHEME.findall(header)) > 1:
            raise CREDENTIALS_AMBIGUOUS("The Authorization header has more than one credential.")
        raise unauthorized(
            TOKEN_MALFORMED, "The Authorization header is not `Bearer <token>`.", "invalid_token"
        )
    if in_query(environ):
        raise CREDENTIALS_AMBIGUOUS("Both the query and the Authorization header have a token.")
    return match[1]


def accept(token: str, verifier: Verifier, checker: RevocationChecker | None = None) -> Principal:
    """Return the principal of a token, from any source; raise a 401, 403 or 503 problem."""
    principal = _verified(token, verifier)
    # The verifier caches tokens for seconds. The checker runs for each request, so that a
    # revocation applies as soon as this process has read it.
    return principal if checker is None else checker.accepted(principal)


def _verified(token: str, verifier: Verifier) -> Principal:
    try:
        return verifier.verify(token)
    except KeysUnavailable:
        raise UNAVAILABLE(
            "The keys that verify tokens are not loaded yet.",
            headers=(("Retry-After", "1"),),
            retry_after=1,
        ) from None
    except ExpiredToken as error:
        raise unauthorized(TOKEN_EXPIRED, _sentence(error), "invalid_token") from None
    except BadSignature as error:
        raise unauthorized(TOKEN_SIGNATURE, _sentence(error), "invalid_token") from None
    except TokenError as error:
        raise unauthorized(TOKEN_MALFORMED, _sentence(error), "invalid_token") from None


def in_query(environ: Mapping[str, Any]) -> bool:
    """Tell whether the query has a token, which the service never accepts there."""
    return _QUERY_TOKEN.search(environ.get("QUERY_STRING") or "") is not None


def require_scope(
    principal: Principal, scope: str, *, takes_tickets: bool = False, instead: str = ""
) -> None:
    """Raise the 403 problem `insufficient-scope` unless the token has `scope` or `instead`.

    An upload ticket allows only uploads. So pass `takes_tickets` only if the caller of this
    function enforces the rules of the ticket.
    """
    if principal.ticket is not None and not takes_tickets:
        raise SCOPE_MISSING(
            "The token is an upload ticket, which allows only uploads.",
            headers=(("WWW-Authenticate", 'Bearer realm="wharf", error="insufficient_scope"'),),
            required_scope=scope,
        )
    if scope not in principal.scopes and instead not in principal.scopes:
        challenge = f'Bearer realm="wharf", error="insufficient_scope", scope="{scope}"'
        raise SCOPE_MISSING(
            f"The token lacks the scope {scope}.",
            headers=(("WWW-Authenticate", challenge),),
            required_scope=scope,
        )


def _sentence(error: TokenError) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."


def unauthorized(problem: Problem, detail: str, code: str) -> ProblemError:
    """Return a 401 problem with its challenge (RFC 6750 section 3).

    `code` is the error code of the challenge, or empty.
    """
    challenge = 'Bearer realm="wharf"'
    if code:
        description = detail.replace('"', "'").rstrip(".")
        challenge += f', error="{code}", error_description="{description}"'
    return problem(detail, headers=(("WWW-Authenticate", challenge),))
