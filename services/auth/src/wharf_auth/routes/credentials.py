"""How a client proves itself at the OAuth endpoints (RFC 6749 section 2.3.1)."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from urllib.parse import unquote_plus

from flask import Request

from wharf_auth.accounts.secrets import MAX_SECRET_CHARACTERS
from wharf_auth.routes.oauth_errors import OAuthError

_BASIC = re.compile(r"basic +([A-Za-z0-9+/]+={0,2}) *\Z", re.IGNORECASE)
# More than any id of ours; what is longer needs no look into the database.
_MAX_ID_CHARACTERS = 128


@dataclass(frozen=True)
class Credentials:
    """`readings` are the pairs of id and secret that the bytes can mean, likeliest first."""

    readings: tuple[tuple[str, str], ...]

    @property
    def client_id(self) -> str:
        """The id in its likeliest reading; not verified."""
        return self.readings[0][0]


def credentials_of(request: Request) -> Credentials:
    """Id and secret, from the header or from the form; raises `OAuthError`."""
    header = request.headers.get("Authorization")
    form = request.form
    if header is None:
        return _from_form(form.get("client_id"), form.get("client_secret"))
    found = _from_basic(header)
    # RFC 6749 section 2.3: not more than one method. The bare id is harmless and often sent.
    if "client_secret" in form:
        raise OAuthError("invalid_request", "The client is given by HTTP Basic and in the form.")
    if form.get("client_id", found.client_id) not in {one[0] for one in found.readings}:
        raise OAuthError("invalid_request", "The client_id is not that of HTTP Basic.")
    return found


def _from_form(identifier: str | None, secret: str | None) -> Credentials:
    if not identifier or not secret:
        raise _refused("Send the client's id and secret, best by HTTP Basic.")
    return Credentials((_checked(identifier, secret),))


def _from_basic(header: str) -> Credentials:
    match = _BASIC.match(header)
    if match is None:
        raise _refused("The Authorization header is not `Basic` with base64.")
    try:
        text = base64.b64decode(match[1], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise _refused("The Authorization header is not base64 of UTF-8.") from None
    identifier, colon, secret = text.partition(":")
    if not colon:
        raise _refused("The Authorization header holds no colon.")
    # The RFC has both percent-encoded first; many clients do not do that. The RFC goes first.
    readings = ((unquote_plus(identifier), unquote_plus(secret)), (identifier, secret))
    return Credentials(tuple(dict.fromkeys(_checked(*reading) for reading in readings)))


def _checked(identifier: str, secret: str) -> tuple[str, str]:
    if len(identifier) > _MAX_ID_CHARACTERS or len(secret) > MAX_SECRET_CHARACTERS:
        raise _refused("The client is not known, or its secret is wrong.")
    if "\0" in identifier + secret:
        # PostgreSQL takes no NUL in a text.
        raise _refused("The client is not known, or its secret is wrong.")
    return identifier, secret


def _refused(description: str) -> OAuthError:
    return OAuthError("invalid_client", description, 401)
