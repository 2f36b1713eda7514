"""The secrets of clients: they are random, shown once, and stored as argon2id hashes."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Protocol

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from wharf_auth.accounts.secret_lane import NOBODY, Asker, HashingBusy, SecretLane

__all__ = ["Hasher", "HashingBusy", "hint_of", "new_secret"]

SECRET_BYTES = 32
# An operator may choose a secret. The secret must not be easier to guess than a key.
MIN_SECRET_CHARACTERS = 32
MAX_SECRET_CHARACTERS = 256
HINT_CHARACTERS = 4
# Of the parameters that OWASP lists as equally strong, these need the least memory: 7 MiB, with
# five passes. A hash contains its parameters, so a hash that was made with other parameters is
# still verified.
MEMORY_KIB, PASSES, LANES = 7 * 1024, 5, 1


class Hashed(Protocol):
    """A stored secret."""

    @property
    def hint(self) -> str:
        """Return the secret's last characters."""

    @property
    def hash(self) -> str:
        """Return the argon2 hash."""


def new_secret() -> str:
    """Return a secret of 256 random bits that needs no escapes in URLs, forms and header fields."""
    return secrets.token_urlsafe(SECRET_BYTES)


def hint_of(secret: str) -> str:
    """Return the last characters, by which people and `matching` distinguish two secrets."""
    return secret[-HINT_CHARACTERS:]


class Hasher:
    """A hasher and verifier of secrets that works in a lane, since each hash costs 15 ms and 7 MiB.

    Every method raises the exceptions of `SecretLane.turn`.
    """

    def __init__(self, lane: SecretLane | None = None) -> None:
        self._argon2 = PasswordHasher(PASSES, MEMORY_KIB, LANES)
        self._lane = lane or SecretLane()
        # The secret of an unknown client is verified with this hash, so that it takes as long as
        # that of a known client.
        self._dummy = self._argon2.hash(new_secret())

    def hash(self, secret: str, asker: Asker = NOBODY) -> str:
        """Return the hash to store."""
        with self._lane.turn(asker):
            return self._argon2.hash(secret)

    def matching(self, secret: str, kept: Sequence[Hashed], asker: Asker = NOBODY) -> bool:
        """Tell whether the secret is one of the stored secrets.

        The hint chooses the hash to verify. Without a match, a dummy hash is verified, so that the
        duration does not show whether a hash exists.
        """
        candidates = [one.hash for one in kept if one.hint == hint_of(secret)]
        with self._lane.turn(asker):
            found = [self._verify(one, secret) for one in candidates or [self._dummy]]
        return bool(candidates) and any(found)

    def matches(self, secret: str, kept: str | None, asker: Asker = NOBODY) -> bool:
        """Tell whether the secret has this hash.

        For `None` the check takes equally long and returns `False`. The method is for passwords,
        for which the records store no hint.
        """
        with self._lane.turn(asker):
            found = self._verify(kept or self._dummy, secret)
        return kept is not None and found

    def _verify(self, kept: str, secret: str) -> bool:
        try:
            return self._argon2.verify(kept, secret)
        except (Argon2Error, InvalidHashError):
            return False
