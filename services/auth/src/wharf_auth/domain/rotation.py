"""The rotation of signing keys: a key is published, signs, is replaced and retires."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

from servicekit.tokens import LEEWAY_SECONDS

# How long other services may cache the key set.
JWKS_MAX_AGE_SECONDS = 300
# A new key signs only after every service has had the time to fetch it. By then, every cached key
# set has expired, and so has every pause before the next fetch (security.md, row 62).
PUBLISH_SECONDS = 3 * JWKS_MAX_AGE_SECONDS

KeyState = Literal["published", "signing", "verifying", "retired"]


class Key(Protocol):
    """The properties of a key that rotation needs."""

    @property
    def kid(self) -> str:
        """Return the key's id."""

    @property
    def since(self) -> float:
        """Return the time when the key was added, in unix seconds."""


_Key = TypeVar("_Key", bound=Key)


@dataclass(frozen=True)
class Turn(Generic[_Key]):
    """A key and its state.

    `published`: the key is public and does not sign yet. `signing`: the key signs all new tokens.
    `verifying`: the key does not sign any more, but some of its tokens may still be valid.
    `retired`: all its tokens have expired. `until` (unix seconds) is the time when the next state
    begins, or `None` if no next state is known. For a retired key, `until` is the time when the key
    retired.
    """

    key: _Key
    state: KeyState
    until: float | None


def turns(keys: Iterable[_Key], now: float, longest_token_seconds: int) -> list[Turn[_Key]]:
    """Return the keys with their states, the oldest first.

    The oldest key is treated as if it had signed from the beginning.
    """
    ordered = sorted(keys, key=lambda key: (key.since, key.kid))
    return [_turn(ordered, place, now, longest_token_seconds) for place in range(len(ordered))]


def _turn(ordered: list[_Key], place: int, now: float, longest_token_seconds: int) -> Turn[_Key]:
    key = ordered[place]
    begins = key.since + PUBLISH_SECONDS
    if now < begins and place > 0:
        return Turn(key, "published", begins)
    if place + 1 == len(ordered):
        return Turn(key, "signing", None)
    replaced = ordered[place + 1].since + PUBLISH_SECONDS
    if now < replaced:
        return Turn(key, "signing", replaced)
    retires = replaced + longest_token_seconds + LEEWAY_SECONDS
    return Turn(key, "verifying" if now < retires else "retired", retires)
