"""The reach of a caller: the rule by which every service checks a key against grants.

A reach is made from grants with placeholders filled in. The check compares text only: a key is in
the reach if it begins with the prefix of a grant for its bucket.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from servicekit.grants import ACTIONS, EVERY_BUCKET, LETTERS, Action, CompactGrant

_Prefixes = tuple[str, ...]


class Reach(msgspec.Struct, frozen=True):
    """The keys that a caller may use: sorted prefixes by bucket and action.

    `places` is `None` if the caller reaches everything. The prefixes of the bucket `*` apply in
    every bucket, in addition to the bucket's own prefixes; they are stored only once.
    """

    places: dict[str, dict[str, _Prefixes]] | None = None

    @property
    def is_everything(self) -> bool:
        """Tell whether the caller reaches everything."""
        return self.places is None

    def allows(self, action: Action, bucket: str, key: str) -> bool:
        """Tell whether the action is allowed on the key."""
        return self._begins(action, bucket, key)

    def covers(self, action: Action, bucket: str, prefix: str) -> bool:
        """Tell whether the action is allowed on all keys that begin with the prefix."""
        return self._begins(action, bucket, prefix)

    def names(self, bucket: str) -> bool:
        """Tell whether any action is allowed in the bucket; if not, the bucket stays hidden."""
        places = self.places
        return places is None or bool(places.get(bucket) or places.get(EVERY_BUCKET))

    def allows_somewhere(self, action: Action, bucket: str) -> bool:
        """Tell whether the action is allowed on some keys of the bucket."""
        return self.places is None or any(self._both(action, bucket))

    def is_whole(self, bucket: str) -> bool:
        """Tell whether every action is allowed on every key of the bucket."""
        return all(self.covers(action, bucket, "") for action in ACTIONS)

    def prefixes(self, action: Action, bucket: str) -> _Prefixes:
        """Return the sorted prefixes of the keys on which the action is allowed.

        No prefix begins with another one.
        """
        if self.places is None:
            return ("",)
        named, anywhere = self._both(action, bucket)
        return _shortest(named + anywhere) if named and anywhere else named or anywhere

    def _begins(self, action: Action, bucket: str, text: str) -> bool:
        if self.places is None:
            return True
        named, anywhere = self._both(action, bucket)
        if text.startswith(named):
            return True
        return text.startswith(anywhere)

    def _both(self, action: Action, bucket: str) -> tuple[_Prefixes, _Prefixes]:
        """Return the prefixes of the bucket's own grants, and of the grants for every bucket."""
        places = self.places or {}
        named, anywhere = places.get(bucket), places.get(EVERY_BUCKET)
        return (
            () if named is None else named.get(action, ()),
            () if anywhere is None else anywhere.get(action, ()),
        )


#: The reach of a caller without a list of grants.
EVERYTHING = Reach()
NOTHING = Reach({})


def reach_of(grants: Iterable[CompactGrant]) -> Reach:
    """Return the reach of grants; for all actions on every bucket, return `EVERYTHING`."""
    by_bucket: dict[str, list[CompactGrant]] = {}
    for grant in grants:
        by_bucket.setdefault(grant.bucket, []).append(grant)
    places = {bucket: _by_action(granted) for bucket, granted in by_bucket.items()}
    everywhere = places.get(EVERY_BUCKET, {})
    if all(everywhere.get(action) == ("",) for action in ACTIONS):
        return EVERYTHING
    return Reach(places)


def _by_action(granted: list[CompactGrant]) -> dict[str, _Prefixes]:
    found = {
        action: _shortest(grant.prefix for grant in granted if letter in grant.letters)
        for action, letter in LETTERS.items()
    }
    return {action: prefixes for action, prefixes in found.items() if prefixes}


def _shortest(prefixes: Iterable[str]) -> _Prefixes:
    """Return the sorted prefixes, without those that begin with another prefix."""
    kept: list[str] = []
    for prefix in sorted(set(prefixes)):
        if not kept or not prefix.startswith(kept[-1]):
            kept.append(prefix)
    return tuple(kept)
