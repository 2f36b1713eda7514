"""What all grants end with: a signed token and its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from flask import Response

from servicekit.web import json_response
from wharf_auth.context import AppContext
from wharf_auth.metrics import ISSUED


class TokenAnswer(msgspec.Struct, omit_defaults=True):
    """RFC 6749 section 5.1; `expires_in` is in seconds."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str
    # RFC 8693 section 2.2.1: for token exchange.
    issued_token_type: str | None = None
    # For people whose refresh token is not in a cookie.
    refresh_token: str | None = None


def issue(context: AppContext, grant: str, claims: Mapping[str, Any]) -> Response:
    """Signs, counts and answers."""
    return answer_of(context.keys.sign(claims), grant, claims)


def answer_of(
    token: str, grant: str, claims: Mapping[str, Any], *, token_type: str | None = None
) -> Response:
    """Counts and answers; `token_type` is the `issued_token_type` of a token exchange."""
    ISSUED.labels(grant).inc()
    life = claims["exp"] - claims["iat"]
    return no_store(json_response(TokenAnswer(token, "Bearer", life, claims["scope"], token_type)))


def no_store(response: Response) -> Response:
    """RFC 6749 section 5.1."""
    response.headers["Cache-Control"] = "no-store"
    return response
