"""A simple model of the access that callers with grants have: files, and a loop over grants."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from servicekit.grants import EVERYTHING_COMPACT, Action, Compact

#: Each key is in one bucket, and no id or token contains it by chance.
PLACES = tuple(
    (bucket, key)
    for bucket, mark in (("first-bucket", "qx"), ("second-bucket", "qy"))
    for key in (f"a/{mark}1", f"a/b/{mark}2", f"b~{mark}3", f"b/{mark}4", f"c/{mark}5")
)
BUCKETS = ("first-bucket", "second-bucket")
Place = tuple[str, str]
_LETTERS: dict[Action, str] = {"read": "r", "write": "w", "delete": "d", "list": "l"}


@dataclass
class Model:
    """One caller with a list of grants or without one, a group of the caller, and all files."""

    own: Compact | None = None
    group: Compact = ()
    is_member: bool = False
    files: dict[Place, bytes] = field(default_factory=dict)

    def grants(self) -> Compact:
        """Return the union of all grants that apply."""
        own = EVERYTHING_COMPACT if self.own is None else self.own
        return (*own, *self.group) if self.is_member else own

    def may(self, action: Action, place: Place) -> bool:
        """Tell whether a grant allows the action on a key."""
        bucket, key = place
        return any(
            one.bucket in (bucket, "*")
            and _LETTERS[action] in one.letters
            and key.startswith(one.prefix)
            for one in self.grants()
        )

    def knows(self, bucket: str) -> bool:
        """Tell whether a grant names the bucket or all buckets."""
        return any(one.bucket in (bucket, "*") and one.letters for one in self.grants())

    def has(self, place: Place) -> bool:
        """Tell whether the caller finds a file at this place."""
        return place in self.files and self.may("read", place)

    def refusal(self, place: Place) -> int:
        """Return the status of a write at a place to which the caller may not write."""
        return 403 if self.knows(place[0]) else 404

    def reading(self, place: Place) -> int:
        """Return the status of a read at this place. A caller that may list a key but not
        read it gets 403, even if no file has this key.
        """
        if self.has(place):
            return 200
        return 403 if self.may("list", place) and not self.may("read", place) else 404

    def listed(self, bucket: str, prefix: str) -> list[str]:
        """Return the keys with this prefix in the caller's listing of the bucket."""
        return sorted(
            key
            for there, key in self.files
            if there == bucket and key.startswith(prefix) and self.may("list", (there, key))
        )

    def may_know(self, place: Place) -> bool:
        """Tell whether a response may contain the key."""
        return any(self.may(action, place) for action in ("read", "write", "list"))


def beside(place: Place, other: Place) -> Place:
    """Return the place in the bucket of `place` whose key has the same
    position as `other`'s key.
    """
    number = PLACES.index(other) % len(PLACES[::2])
    return PLACES[number + (0 if place[0] == BUCKETS[0] else len(PLACES[::2]))]


def rolled_up(keys: Iterable[str], prefix: str) -> list[str]:
    """Return the entries of a listing with the delimiter `/`."""
    found = set()
    for key in keys:
        head, slash, _ = key[len(prefix) :].partition("/")
        found.add(prefix + head + slash)
    return sorted(found)
