"""Reads where a client wants to go on: the number of the last event that it has; pure."""

from __future__ import annotations

from servicekit.problems import MALFORMED

LAST = (1 << 63) - 1
_MOST_DIGITS = 19


def from_text(text: str | None, name: str) -> int | None:
    """Return the number that a field holds; `None` for an absent or empty field.

    Raises the problem `malformed-request`; `name` is the field's.
    """
    if not text:
        return None
    # int() alone would also take "1_000", " 7" and other scripts' digits.
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise MALFORMED(f"{name} is not the number of an event.")
    return _within(int(text), name)


def from_json(value: object, name: str) -> int | None:
    """Return the number that a member of a JSON document is; `None` for none or null."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise MALFORMED(f"{name} is not the number of an event.")
    return _within(value, name)


def _within(number: int, name: str) -> int:
    if not 0 <= number <= LAST:
        raise MALFORMED(f"{name} is not the number of an event.")
    return number
