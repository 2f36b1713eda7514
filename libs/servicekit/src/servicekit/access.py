"""Who asks: finds the credential of a request and verifies it. Works on a WSGI environment."""

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
    """Knows which valid tokens are no longer accepted, and what their bearers reach."""

    def accepted(self, principal: Principal) -> Principal:
        """Return the caller with the scopes and the reach that it has now; called for each request.

        Raises the problem when this caller is no longer accepted.
        """


def authenticate(
    environ: Mapping[str, Any], verifier: Verifier, checker: RevocationChecker | None = None
) -> Principal:
    """The principal of a request; raises a 401, 400, 403 or 503 problem."""
    return accept(bearer(environ), verifier, checker)


def bearer(environ: Mapping[str, Any]) -> str:
    """The token of a request, not verified; raises a 401 or 400 problem.

    Only the `Authorization` header counts (RFC 6750 section 2.1): a token in the query would end
    up in logs and histories.
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
            raise CREDENTIALS_AMBIGUOUS("The Authorization header holds more than one credential.")
        raise unauthorized(
            TOKEN_MALFORMED, "The Authorization header is not `Bearer <token>`.", "invalid_token"
        )
    if in_query(environ):
        raise CREDENTIALS_AMBIGUOUS(
            "There is a token in the query and one in the Authorization header."
        )
    return match[1]


def accept(token: str, verifier: Verifier, checker: RevocationChecker | None = None) -> Principal:
    """The principal of a token, wherever it stood; raises a 401, 403 or 503 problem."""
    principal = _verified(token, verifier)
    # Asked each time: the verifier remembers a token for seconds, and a revocation counts at once.
    return principal if checker is None else checker.accepted(principal)


def _verified(token: str, verifier: Verifier) -> Principal:
    try:
        return verifier.verify(token)
    except KeysUnavailable:
        raise UNAVAILABLE(
            "The keys that verify tokens are not here yet.",
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
    """Whether there is a token in the query, where none is accepted."""
    return _QUERY_TOKEN.search(environ.get("QUERY_STRING") or "") is not None


def require_scope(
    principal: Principal, scope: str, *, takes_tickets: bool = False, instead: str = ""
) -> None:
    """Raises the 403 problem `insufficient-scope` unless the token has the scope, or `instead`.

    An upload ticket has no scope for anything but uploads: only a caller that enforces its rules
    says that it takes tickets.
    """
    if principal.ticket is not None and not takes_tickets:
        raise SCOPE_MISSING(
            "This is an upload ticket; it is good for uploads only.",
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
    """A 401 problem with its challenge (RFC 6750 section 3); `code` is the error, or empty."""
    challenge = 'Bearer realm="wharf"'
    if code:
        description = detail.replace('"', "'").rstrip(".")
        challenge += f', error="{code}", error_description="{description}"'
    return problem(detail, headers=(("WWW-Authenticate", challenge),))
