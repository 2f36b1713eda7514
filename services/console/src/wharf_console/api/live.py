"""Tokens of the live channel: what a page's scripts have of a person."""

from __future__ import annotations

import msgspec

from wharf_console.api.session import Session


class LiveToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token that hears events and does nothing else, good for `expires_in` seconds."""

    access_token: str
    expires_in: int


def token(session: Session) -> LiveToken:
    """Return a token of the person for the live channel; the API itself refuses it."""
    return session.exchange({"audience": "live"}, LiveToken)
