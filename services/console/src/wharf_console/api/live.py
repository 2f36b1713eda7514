"""Tokens of the live channel; apart from tickets, the scripts of a page get no other tokens."""

from __future__ import annotations

import msgspec

from wharf_console.api.session import Session


class LiveToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token with which a page can only receive events; it is valid for `expires_in` seconds."""

    access_token: str
    expires_in: int


def token(session: Session) -> LiveToken:
    """Return a token of the person for the live channel; the rest of the API refuses it."""
    return session.exchange({"audience": "live"}, LiveToken)
