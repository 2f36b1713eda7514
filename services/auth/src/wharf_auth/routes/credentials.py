"""The credentials of a client at the OAuth endpoints (RFC 6749 section 2.3.1)."""

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
# No client id of Wharf is longer, so a longer id is refused without a query to the database.
_MAX_ID_CHARACTERS = 128


@dataclass(frozen=True)
class Credentials:
    """The credentials of one request.

    `readings` are the possible pairs of id and secret, the most likely pair first.
    """

    readings: tuple[tuple[str, str], ...]

    @property
    def client_id(self) -> str:
        """Return the id of the most likely pair; it is not verified."""
        return self.readings[0][0]


def credentials_of(request: Request) -> Credentials:
    """Return the client's id and secret from the header or the form; raise `OAuthError`."""
    header = request.headers.get("Authorization")
    form = request.form
    if header is None:
        return _from_form(form.get("client_id"), form.get("client_secret"))
    found = _from_basic(header)
    # RFC 6749 section 2.3 allows one method only. Many clients repeat the id in the form; that is
    # harmless.
    if "client_secret" in form:
        raise OAuthError("invalid_request", "Send the secret by HTTP Basic or in the form only.")
    if form.get("client_id", found.client_id) not in {one[0] for one in found.readings}:
        raise OAuthError("invalid_request", "The client_id differs from the id in HTTP Basic.")
    return found


def _from_form(identifier: str | None, secret: str | None) -> Credentials:
    if not identifier or not secret:
        raise _refused("Send the client's id and secret, preferably by HTTP Basic.")
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
        raise _refused("The Authorization header has no colon.")
    # RFC 6749 requires clients to percent-encode both texts, but many clients do not. The reading
    # of the RFC comes first.
    readings = ((unquote_plus(identifier), unquote_plus(secret)), (identifier, secret))
    return Credentials(tuple(dict.fromkeys(_checked(*reading) for reading in readings)))


def _checked(identifier: str, secret: str) -> tuple[str, str]:
    if len(identifier) > _MAX_ID_CHARACTERS or len(secret) > MAX_SECRET_CHARACTERS:
        raise _refused("The client is not known, or its secret is wrong.")
    if "\0" in identifier + secret:
        # PostgreSQL refuses a text with NUL.
        raise _refused("The client is not known, or its secret is wrong.")
    return identifier, secret


def _refused(description: str) -> OAuthError:
    return OAuthError("invalid_client", description, 401)
