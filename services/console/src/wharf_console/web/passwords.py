"""Passwords that a person gets from somebody else."""

from __future__ import annotations

import secrets

# Without those that look alike in print.
_LETTERS = "abcdefghjkmnpqrstuvwxyz"
_CHARACTERS = _LETTERS + "23456789"
_GROUPS, _GROUP = 4, 5


def new_password() -> str:
    """Return a password of 97 random bits: easy to read aloud, and no spreadsheet changes it.

    It begins with a letter, so that it is neither a formula nor a number or date.
    """
    letters = secrets.choice(_LETTERS) + "".join(
        secrets.choice(_CHARACTERS) for _ in range(_GROUPS * _GROUP - 1)
    )
    return "-".join(letters[at : at + _GROUP] for at in range(0, len(letters), _GROUP))
