"""The rules for passwords of people (NIST SP 800-63B section 5.1.1.2)."""

from __future__ import annotations

import secrets
import unicodedata
from functools import cache
from pathlib import Path

from servicekit.problems import UNPROCESSABLE

MIN_CHARACTERS, MAX_CHARACTERS = 8, 256
_COMMON = Path(__file__).with_name("common_passwords.txt")
_GENERATED_BYTES = 15
_SERVICE = "wharf"


def generated() -> str:
    """Return a password of 120 random bits, for a person who does not choose the password."""
    return secrets.token_urlsafe(_GENERATED_BYTES)


def normalized(password: str) -> str:
    """Return the password in NFKC for hashing: keyboards may encode the same text differently."""
    return unicodedata.normalize("NFKC", password)


def checked(password: str, *names: str) -> str:
    """Return the normalized password; raise the problem `unprocessable` if it is not accepted.

    `names` are the names of the person and the tenant, which attackers try first. No rule demands
    certain kinds of characters, since such rules do not make passwords harder to guess.
    """
    password = normalized(password)
    if not MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS:
        raise UNPROCESSABLE(
            f"A password has {MIN_CHARACTERS} to {MAX_CHARACTERS} characters; this one has "
            f"{len(password)}. A sentence is a good password."
        )
    folded = password.casefold()
    if "\0" in password or password.encode(errors="replace").decode() != password:
        raise UNPROCESSABLE("A password cannot contain NUL or a lone surrogate.")
    if folded in _common() or len(set(folded)) == 1:
        raise UNPROCESSABLE(
            "This password is one of the most common ones; choose another password."
        )
    if folded in _guesses(names):
        raise UNPROCESSABLE(
            "This password is made of the names of the person or tenant; choose another password."
        )
    return password


@cache
def _common() -> frozenset[str]:
    return frozenset(_COMMON.read_text(encoding="utf-8").split())


def _guesses(names: tuple[str, ...]) -> set[str]:
    plain = {normalized(name).casefold() for name in (*names, _SERVICE)}
    plain |= {name.partition("@")[0] for name in plain}
    endings = ("", "1", "12", "123", "1234", "12345", "!", "1!", "123!")
    return {name * times + ending for name in plain for times in (1, 2) for ending in endings}
