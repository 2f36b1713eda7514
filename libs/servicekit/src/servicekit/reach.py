"""Reach: what grants come to. The one rule by which every service judges a key.

A reach is made of grants whose placeholders are filled in. It is judged by text alone: a key is
reached when it begins with the prefix of a grant of its bucket.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from servicekit.grants import ACTIONS, EVERY_BUCKET, Action, CompactGrant

_Prefixes = tuple[str, ...]
_LETTERS: dict[Action, str] = {"read": "r", "write": "w", "delete": "d", "list": "l"}


class Reach(msgspec.Struct, frozen=True):
    """The keys that somebody reaches: by bucket and action the shortest prefixes, in order.

    `places` is `None` where nothing is out of reach. The bucket `*` stands for those not named;
    what every bucket gives is part of each of them.
    """

    places: dict[str, dict[str, _Prefixes]] | None = None

    @property
    def is_everything(self) -> bool:
        """Tell whether nothing is out of reach."""
        return self.places is None

    def allows(self, action: Action, bucket: str, key: str) -> bool:
        """Tell whether the action is allowed on the key."""
        return self.places is None or key.startswith(self._prefixes(action, bucket))

    def covers(self, action: Action, bucket: str, prefix: str) -> bool:
        """Tell whether the action is allowed on all keys that begin with the prefix."""
        return self.places is None or prefix.startswith(self._prefixes(action, bucket))

    def names(self, bucket: str) -> bool:
        """Tell whether anything is allowed in the bucket: to others it does not exist."""
        return self.places is None or bool(self._of(bucket))

    def allows_somewhere(self, action: Action, bucket: str) -> bool:
        """Tell whether the action is allowed on some keys of the bucket."""
        return self.places is None or bool(self._prefixes(action, bucket))

    def is_whole(self, bucket: str) -> bool:
        """Tell whether every action is allowed on every key of the bucket."""
        return all(self.covers(action, bucket, "") for action in ACTIONS)

    def prefixes(self, action: Action, bucket: str) -> _Prefixes:
        """Return the prefixes under which the action is allowed, in order; none holds another."""
        return ("",) if self.places is None else self._prefixes(action, bucket)

    def _of(self, bucket: str) -> dict[str, _Prefixes]:
        places = self.places or {}
        found = places.get(bucket)
        return places.get(EVERY_BUCKET, {}) if found is None else found

    def _prefixes(self, action: Action, bucket: str) -> _Prefixes:
        return self._of(bucket).get(action, ())


#: Of whoever has no list of grants.
EVERYTHING = Reach()
NOTHING = Reach({})


def reach_of(grants: Iterable[CompactGrant]) -> Reach:
    """Return what grants come to; the whole of every bucket is `EVERYTHING`."""
    granted = tuple(grants)
    places = {
        bucket: _by_action([one for one in granted if one.bucket in (bucket, EVERY_BUCKET)])
        for bucket in {grant.bucket for grant in granted}
    }
    everywhere = places.get(EVERY_BUCKET, {})
    if all(everywhere.get(action) == ("",) for action in ACTIONS):
        return EVERYTHING
    return Reach(places)


def _by_action(granted: list[CompactGrant]) -> dict[str, _Prefixes]:
    found = {
        action: _shortest(grant.prefix for grant in granted if letter in grant.letters)
        for action, letter in _LETTERS.items()
    }
    return {action: prefixes for action, prefixes in found.items() if prefixes}


def _shortest(prefixes: Iterable[str]) -> _Prefixes:
    """Return prefixes in order, without those that begin with another one."""
    kept: list[str] = []
    for prefix in sorted(set(prefixes)):
        if not kept or not prefix.startswith(kept[-1]):
            kept.append(prefix)
    return tuple(kept)
