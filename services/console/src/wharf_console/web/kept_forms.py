"""What a person had typed when the session ended: given back after the next login.

It is kept for the same person, for the same page, once, and without passwords.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import request, session
from werkzeug.datastructures import MultiDict

_KEY = "kept_form"
_MAX_CHARACTERS = 16_384


def kept(user_id: str) -> dict[str, Any] | None:
    """Return what the form of this request holds, to be put into the next session."""
    fields = {
        name: values
        for name, values in request.form.lists()
        if name != "csrf_token" and "password" not in name and "secret" not in name
    }
    characters = sum(len(name) + sum(map(len, values)) for name, values in fields.items())
    if request.method != "POST" or not fields or characters > _MAX_CHARACTERS:
        return None
    return {"user_id": user_id, "path": request.path, "fields": fields}


def put(content: Mapping[str, Any] | None) -> None:
    """Keep it in the session."""
    if content is not None:
        session[_KEY] = content


def carried() -> Mapping[str, Any] | None:
    """Return what the session keeps, to be carried over into the session of a login."""
    found: Mapping[str, Any] | None = session.get(_KEY)
    return found


def take(user_id: str) -> MultiDict[str, str] | None:
    """Return what this person had typed on the page of this request; the session forgets it."""
    content = session.get(_KEY)
    if content is None or content["path"] != request.path or content["user_id"] != user_id:
        return None
    del session[_KEY]
    return MultiDict(content["fields"])
