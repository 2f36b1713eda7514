"""The OAuth grants of the token endpoint: each module turns the request's form into a token."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flask import Response

from wharf_auth.context import AppContext
from wharf_auth.routes.grants import client_credentials, refresh, token_exchange

#: A grant reads `flask.request`, authenticates the caller and returns the response with the token.
#: It raises `OAuthError` when it refuses.
Grant = Callable[[AppContext], Response]

GRANTS: Mapping[str, Grant] = {
    client_credentials.NAME: client_credentials.answer,
    token_exchange.NAME: token_exchange.answer,
    refresh.NAME: refresh.answer,
}
