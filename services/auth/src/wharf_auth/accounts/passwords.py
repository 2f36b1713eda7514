"""Passwords of people: what is accepted (NIST SP 800-63B section 5.1.1.2)."""

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
    """A password of 120 random bits, for a person who gets one from somebody else."""
    return secrets.token_urlsafe(_GENERATED_BYTES)


def normalized(password: str) -> str:
    """As it is hashed: one spelling for what two keyboards may send as two (NFKC)."""
    return unicodedata.normalize("NFKC", password)


def checked(password: str, *names: str) -> str:
    """The normalized password; raises the problem `unprocessable` when it is not accepted.

    `names` are those of the person and the tenant: they are the first that anybody tries. There are
    no rules about kinds of characters, since they make passwords no harder to guess.
    """
    password = normalized(password)
    if not MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS:
        raise UNPROCESSABLE(
            f"A password has {MIN_CHARACTERS} to {MAX_CHARACTERS} characters; this one has "
            f"{len(password)}. A sentence is a good one."
        )
    folded = password.casefold()
    if "\0" in password or password.encode(errors="replace").decode() != password:
        raise UNPROCESSABLE("A password holds neither NUL nor halves of characters.")
    if folded in _common() or len(set(folded)) == 1:
        raise UNPROCESSABLE("This password is one of the most common ones; choose another.")
    if folded in _guesses(names):
        raise UNPROCESSABLE("This password is made of the names here; choose another.")
    return password


@cache
def _common() -> frozenset[str]:
    return frozenset(_COMMON.read_text(encoding="utf-8").split())


def _guesses(names: tuple[str, ...]) -> set[str]:
    plain = {normalized(name).casefold() for name in (*names, _SERVICE)}
    plain |= {name.partition("@")[0] for name in plain}
    endings = ("", "1", "12", "123", "1234", "12345", "!", "1!", "123!")
    return {name * times + ending for name in plain for times in (1, 2) for ending in endings}
