"""Parsers of a client's position: the cursor of the last event that it has. Pure functions."""

from __future__ import annotations

from typing import NamedTuple

from servicekit.problems import MALFORMED
from wharf_upload.http.event_cursors import Cursor


class Position(NamedTuple):
    """A cursor as the client sent it, and the name of the field that contained it."""

    cursor: Cursor
    name: str


def from_text(text: str | None, name: str) -> Position | None:
    """Return the position in a field, `None` for an absent or empty field."""
    return Position(text, name) if text else None


def from_json(value: object, name: str) -> Position | None:
    """Return the position in a member of a JSON document, `None` if it is absent or null.

    Raises the problem `malformed-request` for a value that is neither integer nor string.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise MALFORMED(f"{name} is not the cursor of an event.")
    return Position(value, name)
