"""Makes `known_types.tsv` of servicekit: the types of each extension, and how types are related.

    python services/upload/tools/make_known_types.py FREEDESKTOP_XML VERSION MIME_DB_FOLDER

FREEDESKTOP_XML is `/usr/share/mime/packages/freedesktop.org.xml` of the package shared-mime-info of
VERSION; MIME_DB_FOLDER is the unpacked npm package mime-db. The script takes only facts from the
first one: names, extensions, aliases and parents (docs/adr/0042-types-by-relation.md).
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

TARGET = Path(__file__).parents[3] / "libs/servicekit/src/servicekit/known_types.tsv"
_NS = "{http://www.freedesktop.org/standards/shared-mime-info}"
_GLOB = re.compile(r"\*\.([a-z0-9][a-z0-9_+-]*(?:\.[a-z0-9][a-z0-9_+-]*){0,3})", re.IGNORECASE)
_TYPE = re.compile(r"[a-z0-9]+/[a-z0-9][a-z0-9!#$&^_.+-]*")
_UNKNOWN = "application/octet-stream"
_OWN = Path(__file__).with_name("own_types.txt")
# Spellings that a table treats as aliases, but that are separate types.
_NOT_ALIASES = frozenset(
    {"audio/3gpp", "audio/3gpp2", "application/x-hdf", "image/x-xcf", "application/x-archive"}
    | {"application/x-ustar", "application/x-gtar", "image/fits"}
)
# Extensions that say nothing about the type, even if a table lists a type for them.
_SILENT = frozenset({"bin", "dat", "data", "buffer", "bpk", "dump", "deploy", "dist", "distz"})
# A type that the desktop may execute need not be a program: scripts are text.
_NO_PARENTS = frozenset({"application/x-executable"})
# Suffixes of names that state the type's parent (RFC 6838 section 4.2.8).
_SUFFIXES = {
    "+xml": "application/xml", "+json": "application/json", "+zip": "application/zip",
    "+gzip": "application/gzip", "+sqlite3": "application/x-sqlite3", "+yaml": "application/yaml",
    "+ogg": "application/ogg",
}  # fmt: skip
# Names that describe actions of a desktop, not types of files.
_NO_TYPES = re.compile(
    r"(?:inode|x-content|x-scheme-handler|zz-application)/.*|application/x-trash"
)


@dataclass
class Known:
    """The names, extensions and parents that are known of a type."""

    extensions: set[str] = field(default_factory=set)
    aliases: set[str] = field(default_factory=set)
    parents: set[str] = field(default_factory=set)


Table = dict[str, Known]


def shared_mime_info(path: Path) -> Table:
    """Return the names, extensions, aliases and parents of the desktop's table."""
    table: Table = defaultdict(Known)
    for element in ET.parse(path).getroot():  # noqa: S314 -- a file of the system
        one = table[element.attrib["type"].lower()]
        one.aliases |= {each.attrib["type"].lower() for each in element.findall(f"{_NS}alias")}
        one.parents |= {
            each.attrib["type"].lower() for each in element.findall(f"{_NS}sub-class-of")
        }
        globs = (_GLOB.fullmatch(each.attrib["pattern"]) for each in element.findall(f"{_NS}glob"))
        one.extensions |= {glob[1].lower() for glob in globs if glob}
    return table


def mime_db(folder: Path) -> Table:
    """Return the names and extensions of mime-db."""
    table: Table = {}
    for name, told in json.loads((folder / "db.json").read_bytes()).items():
        table[name.lower()] = Known({each.lower() for each in told.get("extensions", ())})
    return table


def own() -> Table:
    """Return the types that Wharf adds."""
    table: Table = {}
    for line in _OWN.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            name, extensions, aliases, parents = (part.split() for part in line.split(";"))
            table[name[0]] = Known(set(extensions), set(aliases), set(parents))
    return table


def names(tables: tuple[Table, ...]) -> dict[str, str]:
    """Return the one name for each spelling; the first table that lists it decides."""
    one_name: dict[str, str] = {}
    for table in tables:
        for name, known in table.items():
            target = one_name.setdefault(name, name)
            for alias in known.aliases - (_NOT_ALIASES if table is not tables[0] else set()):
                one_name.setdefault(alias, target)
    return {spelling: _last(one_name, name) for spelling, name in one_name.items()}


def _last(one_name: dict[str, str], name: str) -> str:
    while one_name.get(name, name) != name:
        name = one_name[name]
    return name


def merged(tables: tuple[Table, ...]) -> Table:
    """Return one table that has each type under one name."""
    one_name = names(tables)
    result: Table = defaultdict(Known)
    for table in tables:
        for name, known in table.items():
            if _NO_TYPES.fullmatch(name) or not _TYPE.fullmatch(name):
                continue
            one = result[one_name[name]]
            one.extensions |= known.extensions
            # The parents in Wharf's own table replace those of the other tables, under each name.
            if table is tables[0]:
                one.parents |= {one_name.get(each, each) for each in known.parents}
            elif not tables[0].get(one_name[name], Known()).parents:
                one.parents |= {one_name.get(each, each) for each in known.parents - _NO_PARENTS}
    for spelling, name in one_name.items():
        if spelling != name and name in result and _TYPE.fullmatch(spelling):
            result[name].aliases.add(spelling)
    for name, one in result.items():
        one.parents |= _made_of(name) - {name}
        one.parents -= {name, _UNKNOWN}
        one.extensions -= _SILENT
    result[_UNKNOWN].extensions = set(_SILENT)
    _drop_silent(result)
    return _wanted(result)


def _made_of(name: str) -> set[str]:
    if name.startswith("text/") and name != "text/plain":
        return {"text/plain"}
    return {parent for suffix, parent in _SUFFIXES.items() if name.endswith(suffix)}


def _drop_silent(table: Table) -> None:
    """Remove parents that the table does not have, and all parents of the unknown type."""
    table[_UNKNOWN].parents = set()
    for name, known in table.items():
        known.parents = {parent for parent in known.parents if parent in table} - {name}


def _wanted(table: Table) -> Table:
    """Return the types that have an extension, Wharf's own types, and the parents of both."""
    wanted = {name for name, known in table.items() if known.extensions}
    wanted |= set(own())
    more = wanted
    while more:
        more = {parent for name in more for parent in table[name].parents} - wanted
        wanted |= more
    return {name: table[name] for name in wanted}


def main() -> int:
    """Write the table and return the exit code."""
    xml, version, folder = sys.argv[1:]
    release = json.loads((Path(folder) / "package.json").read_bytes())["version"]
    table = merged((own(), shared_mime_info(Path(xml)), mime_db(Path(folder))))
    lines = [
        "# Made by services/upload/tools/make_known_types.py; change it there.",
        f"# Of shared-mime-info {version}, mime-db {release} and own_types.txt.",
        "# type\textensions\taliases\tparents",
    ]
    for name, known in sorted(table.items()):
        parts = (known.extensions, known.aliases, known.parents)
        lines.append("\t".join((name, *(" ".join(sorted(part)) for part in parts))))
    TARGET.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(TARGET, len(table))
    return 0


if __name__ == "__main__":
    sys.exit(main())
