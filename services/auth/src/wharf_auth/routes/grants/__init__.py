"""The grants of the token endpoint, one file each: from the form to a token."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flask import Response

from wharf_auth.context import AppContext
from wharf_auth.routes.grants import client_credentials, refresh, token_exchange

#: A grant reads `flask.request`, proves who asks, and answers; it raises `OAuthError`.
Grant = Callable[[AppContext], Response]

GRANTS: Mapping[str, Grant] = {
    client_credentials.NAME: client_credentials.answer,
    token_exchange.NAME: token_exchange.answer,
    refresh.NAME: refresh.answer,
}
