"""Generates passwords that an owner gives to another person."""

from __future__ import annotations

import secrets

# Without characters that look alike.
_LETTERS = "abcdefghjkmnpqrstuvwxyz"
_CHARACTERS = _LETTERS + "23456789"
_GROUPS, _GROUP = 4, 5


def new_password() -> str:
    """Return a password of 98 random bits that is easy to read aloud.

    The password begins with a letter, so that a spreadsheet program does not treat the password as
    a formula, number or date.
    """
    letters = secrets.choice(_LETTERS) + "".join(
        secrets.choice(_CHARACTERS) for _ in range(_GROUPS * _GROUP - 1)
    )
    return "-".join(letters[at : at + _GROUP] for at in range(0, len(letters), _GROUP))
