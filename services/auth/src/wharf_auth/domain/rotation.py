"""Whose turn it is to sign: keys are published, sign, are replaced, and retire."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

from servicekit.tokens import LEEWAY_SECONDS

# How long others may keep the key set.
JWKS_MAX_AGE_SECONDS = 300
# A new key signs only when everybody has had the time to fetch it: a cached key set, and the pause
# until the next look, are old by then (security.md, row 62).
PUBLISH_SECONDS = 3 * JWKS_MAX_AGE_SECONDS

KeyState = Literal["published", "signing", "verifying", "retired"]


class Key(Protocol):
    """What has to be known of a key."""

    @property
    def kid(self) -> str:
        """Its id."""

    @property
    def since(self) -> float:
        """When it was put in place, in unix seconds."""


_Key = TypeVar("_Key", bound=Key)


@dataclass(frozen=True)
class Turn(Generic[_Key]):
    """A key and its state; `until` (unix seconds) is when the next state begins, if one does.

    `published`: known, and not signing yet. `signing`: the one that signs. `verifying`: signs no
    more, and tokens of it are still about. `retired`: no token of it can be alive.
    """

    key: _Key
    state: KeyState
    until: float | None


def turns(keys: Iterable[_Key], now: float, longest_token_seconds: int) -> list[Turn[_Key]]:
    """The keys in order of age. The oldest of those that are there signed from the beginning."""
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
