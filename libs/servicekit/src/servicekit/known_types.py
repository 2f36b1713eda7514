"""The table of media types: their extensions, their aliases, and their more general types.

`services/upload/tools/make_known_types.py` makes the table `known_types.tsv` from two maintained
tables (docs/adr/0042-types-by-relation.md).
"""

from __future__ import annotations

from functools import cache, lru_cache
from importlib import resources
from typing import Final, NamedTuple

_NOTHING: Final[frozenset[str]] = frozenset()


class _Table(NamedTuple):
    """The table, indexed for its queries."""

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
    """Read the table now, so that later forked processes share its memory."""
    _table()


def name_of(media_type: str) -> str:
    """Return the main name of a type that may be an alias.

    `media_type` is in lower case and has no parameters.
    """
    return _table().names.get(media_type, media_type)


def of_extension(extension: str) -> frozenset[str]:
    """Return the types of an extension, which is in lower case and without its dot."""
    return _table().by_extension.get(extension, _NOTHING)


def all_extensions() -> frozenset[str]:
    """Return all extensions in the table."""
    return frozenset(_table().by_extension)


def all_types() -> frozenset[str]:
    """Return the names of all types that have an extension or a parent."""
    table = _table()
    return frozenset(table.parents).union(*table.by_extension.values())


@lru_cache(maxsize=4096)  # clients name types
def ancestors(media_type: str) -> frozenset[str]:
    """Return all more general types of a type, without the type itself."""
    parents = _table().parents
    found: set[str] = set()
    above = set(parents.get(media_type, _NOTHING))
    while above:
        found |= above
        above = {parent for each in above for parent in parents.get(each, _NOTHING)} - found
    return frozenset(found - {media_type})


def are_related(one: str, other: str) -> bool:
    """Tell whether two types are the same, or one is a special form of the other."""
    one, other = name_of(one), name_of(other)
    return one == other or one in ancestors(other) or other in ancestors(one)
