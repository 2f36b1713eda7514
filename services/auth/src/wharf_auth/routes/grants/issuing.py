"""The last step of every grant: sign the token and build the response."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from flask import Response

from servicekit.web import json_response
from wharf_auth.context import AppContext
from wharf_auth.metrics import ISSUED


class TokenAnswer(msgspec.Struct, omit_defaults=True):
    """The response of the token endpoint (RFC 6749 section 5.1); `expires_in` is in seconds."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str
    # Only for a token exchange (RFC 8693 section 2.2.1).
    issued_token_type: str | None = None
    # Only for a person's client that does not keep the refresh token in the cookie.
    refresh_token: str | None = None


def issue(context: AppContext, grant: str, claims: Mapping[str, Any]) -> Response:
    """Sign a token with these claims, count it, and return the response."""
    return answer_of(context.keys.sign(claims), grant, claims)


def answer_of(
    token: str, grant: str, claims: Mapping[str, Any], *, token_type: str | None = None
) -> Response:
    """Count a signed token and return the response.

    `token_type` is the `issued_token_type` of a token exchange.
    """
    ISSUED.labels(grant).inc()
    life = claims["exp"] - claims["iat"]
    return no_store(json_response(TokenAnswer(token, "Bearer", life, claims["scope"], token_type)))


def no_store(response: Response) -> Response:
    """Forbid caches to store the response (RFC 6749 section 5.1)."""
    response.headers["Cache-Control"] = "no-store"
    return response
