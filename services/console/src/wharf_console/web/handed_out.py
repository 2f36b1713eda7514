"""The links and tickets that a person made in this session; the API shows their addresses once."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

from flask import session

from wharf_console.web.current import context

_MOST = 10
Made = dict[str, Any]


def keep(kind: str, made: Made) -> str:
    """Store a link or ticket until it expires (`expires_at`, unix seconds); return its name.

    The session stores the last ten of a kind. The stored entry also gets `until`, which is
    `expires_at` as text.
    """
    name = secrets.token_urlsafe(9)
    until = datetime.fromtimestamp(made["expires_at"], UTC).isoformat()
    session[kind] = [{**made, "name": name, "until": until}, *all_of(kind)][:_MOST]
    return name


def all_of(kind: str) -> list[Made]:
    """Return the links or tickets that have not expired, newest first."""
    now = context().clock()
    return [made for made in session.get(kind, ()) if made["expires_at"] > now]


def find(kind: str, name: str) -> Made | None:
    """Return the link or ticket of this name; `None` if this session does not store it any more."""
    return next((made for made in all_of(kind) if made["name"] == name), None)


def forget(kind: str, **known: str) -> None:
    """Forget all of a kind, or those with the given values (`id="…"`)."""
    if known:
        session[kind] = [made for made in all_of(kind) if not known.items() <= made.items()]
    else:
        session.pop(kind, None)
