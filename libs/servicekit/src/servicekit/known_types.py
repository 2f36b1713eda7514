"""Media types by extension, by their other spellings, and by what they are made of.

The table is `known_types.tsv`, which `services/upload/tools/make_known_types.py` makes of two kept
ones (docs/adr/0042-types-by-relation.md).
"""

from __future__ import annotations

from functools import cache, lru_cache
from importlib import resources
from typing import Final, NamedTuple

_NOTHING: Final[frozenset[str]] = frozenset()


class _Table(NamedTuple):
    """The table by what is asked of it."""

    by_extension: dict[str, frozenset[str]]
    names: dict[str, str]
    parents: dict[str, frozenset[str]]


@cache
def _table() -> _Table:
    by_extension: dict[str, set[str]] = {}
    names: dict[str, str] = {}
    parents: dict[str, frozenset[str]] = {}
    text = resources.files(__package__).joinpath("known_types.tsv").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, extensions, aliases, above = line.split("\t")
        for extension in extensions.split():
            by_extension.setdefault(extension, set()).add(name)
        names.update(dict.fromkeys(aliases.split(), name))
        if above:
            parents[name] = frozenset(above.split())
    return _Table(
        {extension: frozenset(types) for extension, types in by_extension.items()}, names, parents
    )


def load() -> None:
    """Read the table now, so that processes that fork later share it."""
    _table()


def name_of(media_type: str) -> str:
    """Return the one name of a type that has several spellings; `media_type` is in small letters
    and has no parameters.
    """
    return _table().names.get(media_type, media_type)


def of_extension(extension: str) -> frozenset[str]:
    """Return the types that an extension, in small letters and without its dot, stands for."""
    return _table().by_extension.get(extension, _NOTHING)


def all_extensions() -> frozenset[str]:
    """Return every extension that stands for a type."""
    return frozenset(_table().by_extension)


def all_types() -> frozenset[str]:
    """Return the names of all types that have an extension or a parent."""
    table = _table()
    return frozenset(table.parents).union(*table.by_extension.values())


@lru_cache(maxsize=4096)  # clients name types
def ancestors(media_type: str) -> frozenset[str]:
    """Return all types that a type is a kind of, itself left out."""
    parents = _table().parents
    found: set[str] = set()
    above = set(parents.get(media_type, _NOTHING))
    while above:
        found |= above
        above = {parent for each in above for parent in parents.get(each, _NOTHING)} - found
    return frozenset(found - {media_type})


def are_related(one: str, other: str) -> bool:
    """Tell whether two types are the same, or one is a kind of the other."""
    one, other = name_of(one), name_of(other)
    return one == other or one in ancestors(other) or other in ancestors(one)
