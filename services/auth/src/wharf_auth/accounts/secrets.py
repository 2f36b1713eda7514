"""Client secrets: random, shown once, kept as argon2id hashes."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Protocol

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from wharf_auth.accounts.secret_lane import NOBODY, Asker, HashingBusy, SecretLane

__all__ = ["Hasher", "HashingBusy", "hint_of", "new_secret"]

SECRET_BYTES = 32
# A secret that an operator brings along must not be easier to guess than a key.
MIN_SECRET_CHARACTERS = 32
MAX_SECRET_CHARACTERS = 256
HINT_CHARACTERS = 4
# OWASP's choice of equal strength with the least memory: 7 MiB, five passes. All of Wharf has
# 150 MB. A hash carries its own parameters: those made with others are still verified.
MEMORY_KIB, PASSES, LANES = 7 * 1024, 5, 1


class Hashed(Protocol):
    """A kept secret."""

    @property
    def hint(self) -> str:
        """The secret's last characters."""

    @property
    def hash(self) -> str:
        """The argon2 hash."""


def new_secret() -> str:
    """A secret of 256 random bits, safe in URLs, forms and headers without escapes."""
    return secrets.token_urlsafe(SECRET_BYTES)


def hint_of(secret: str) -> str:
    """The last characters: a person tells two secrets apart by them, and `matching` uses them."""
    return secret[-HINT_CHARACTERS:]


class Hasher:
    """Hashes and verifies secrets in a lane, few at a time: each costs 15 ms and 7 MiB.

    Each of its methods raises what `SecretLane.turn` raises.
    """

    def __init__(self, lane: SecretLane | None = None) -> None:
        self._argon2 = PasswordHasher(PASSES, MEMORY_KIB, LANES)
        self._lane = lane or SecretLane()
        # What unknown clients are verified against, so that they take as long as known ones.
        self._dummy = self._argon2.hash(new_secret())

    def hash(self, secret: str, asker: Asker = NOBODY) -> str:
        """The hash to keep."""
        with self._lane.turn(asker):
            return self._argon2.hash(secret)

    def matching(self, secret: str, kept: Sequence[Hashed], asker: Asker = NOBODY) -> bool:
        """Whether the secret is one of those kept.

        One verification is done whether there are none, one or two, so the time tells nothing;
        the hints choose which.
        """
        candidates = [one.hash for one in kept if one.hint == hint_of(secret)]
        with self._lane.turn(asker):
            found = [self._verify(one, secret) for one in candidates or [self._dummy]]
        return bool(candidates) and any(found)

    def matches(self, secret: str, kept: str | None, asker: Asker = NOBODY) -> bool:
        """Whether the secret is the one of this hash; `None` takes as long.

        For passwords, of which nothing but the hash is kept.
        """
        with self._lane.turn(asker):
            found = self._verify(kept or self._dummy, secret)
        return kept is not None and found

    def _verify(self, kept: str, secret: str) -> bool:
        try:
            return self._argon2.verify(kept, secret)
        except (Argon2Error, InvalidHashError):
            return False
