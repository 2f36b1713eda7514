"""Stores the text that a person had typed when the session ended, until the next login.

The console shows the text once, to the same person, on the same page, and without passwords.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import request, session
from werkzeug.datastructures import MultiDict

_KEY = "kept_form"
_MAX_CHARACTERS = 16_384


def kept(user_id: str) -> dict[str, Any] | None:
    """Return the fields of the form of this request, for the next session.

    Return `None` if the request has no form, or if the fields are too long.
    """
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
    """Store the fields in the session."""
    if content is not None:
        session[_KEY] = content


def carried() -> Mapping[str, Any] | None:
    """Return the fields in the session, to copy them to the session of a login."""
    found: Mapping[str, Any] | None = session.get(_KEY)
    return found


def take(user_id: str) -> MultiDict[str, str] | None:
    """Return the text that this person had typed on this page, or `None`.

    The text is removed from the session.
    """
    content = session.get(_KEY)
    if content is None or content["path"] != request.path or content["user_id"] != user_id:
        return None
    del session[_KEY]
    return MultiDict(content["fields"])
