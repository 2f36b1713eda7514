"""Client secrets: random, shown once, kept as argon2id hashes."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

SECRET_BYTES = 32
# A secret that an operator brings along must not be easier to guess than a key.
MIN_SECRET_CHARACTERS = 32
MAX_SECRET_CHARACTERS = 256
HINT_CHARACTERS = 4
# OWASP's choice of equal strength with the least memory: 7 MiB, five passes. All of Wharf has
# 150 MB. A hash carries its own parameters: those made with others are still verified.
MEMORY_KIB, PASSES, LANES = 7 * 1024, 5, 1
WAIT_SECONDS = 2.0


class HashingBusy(Exception):
    """Too many secrets are being verified already."""


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
    """Hashes and verifies secrets, few at a time: each costs 15 ms and 7 MiB."""

    def __init__(self, at_once: int = 1, wait_seconds: float = WAIT_SECONDS) -> None:
        self._argon2 = PasswordHasher(PASSES, MEMORY_KIB, LANES)
        self._slots = threading.BoundedSemaphore(at_once)
        self._wait_seconds = wait_seconds
        # What unknown clients are verified against, so that they take as long as known ones.
        self._dummy = self._argon2.hash(new_secret())

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._slots.acquire(timeout=self._wait_seconds):
            raise HashingBusy("too many secrets are being verified")
        try:
            yield
        finally:
            self._slots.release()

    def hash(self, secret: str) -> str:
        """The hash to keep."""
        with self._slot():
            return self._argon2.hash(secret)

    def matching(self, secret: str, kept: Sequence[Hashed]) -> bool:
        """Whether the secret is one of those kept.

        One verification is done whether there are none, one or two, so the time tells nothing;
        the hints choose which. Raises `HashingBusy`.
        """
        candidates = [one.hash for one in kept if one.hint == hint_of(secret)]
        with self._slot():
            found = [self._verify(one, secret) for one in candidates or [self._dummy]]
        return bool(candidates) and any(found)

    def matches(self, secret: str, kept: str | None) -> bool:
        """Whether the secret is the one of this hash; `None` takes as long. Raises `HashingBusy`.

        For passwords, of which nothing but the hash is kept.
        """
        with self._slot():
            found = self._verify(kept or self._dummy, secret)
        return kept is not None and found

    def _verify(self, kept: str, secret: str) -> bool:
        try:
            return self._argon2.verify(kept, secret)
        except (Argon2Error, InvalidHashError):
            return False
