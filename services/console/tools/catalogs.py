"""Updates the catalogs of the console to the messages in its code and templates.

    python services/console/tools/catalogs.py          adds new messages, removes unused messages
    python services/console/tools/catalogs.py --check  prints new, unused and untranslated messages;
                                                       the exit code is 1 if there are any

Every language except English has a folder in `translations/` with one file for each subject. The
subject is the stem of the module, or the folder of the template, that contains the message. A
message of several subjects is in one file, and stays there. A person must translate new messages.
The console reads these files when it starts; nothing is compiled.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

PACKAGE = Path(__file__).parents[1] / "src/wharf_console"
TRANSLATIONS = PACKAGE / "translations"
LANGUAGES = ("zh_Hans",)
_METHODS = [("**.py", "python"), ("**.html", "jinja2.ext:babel_extract")]
_OPTIONS = {
    "**.html": {"trimmed": "true", "newstyle_gettext": "true", "extensions": "jinja2.ext.do"}
}
# In addition to gettext's own names.
_KEYWORDS: dict[str, tuple[int, ...] | None] = {
    "_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "lazy_gettext": None,
}
Id = str | tuple[str, ...]


def said() -> dict[Id, str]:
    """Return every message of the package with its subject."""
    found: dict[Id, str] = {}
    for file, _, message, _, _ in extract_from_dir(PACKAGE, _METHODS, _OPTIONS, keywords=_KEYWORDS):
        identifier: Id = tuple(message) if isinstance(message, tuple | list) else message
        subject = subject_of(Path(file))
        found[identifier] = min(found.get(identifier, subject), subject)
    return found


def subject_of(file: Path) -> str:
    """Return the subject of a module or template, by its path below the package."""
    if file.suffix == ".py":
        return file.stem
    return file.parts[1] if len(file.parts) > 2 and file.parts[1] != "macros" else file.stem


def translated(language: str) -> dict[Id, tuple[str, Message]]:
    """Return every message of a language with its file; a translated duplicate is preferred."""
    found: dict[Id, tuple[str, Message]] = {}
    for subject, catalog in catalogs(language):
        for message in catalog:
            if message.id and (_id(message) not in found or not _is_done(found[_id(message)][1])):
                found[_id(message)] = (subject, message)
    return found


def catalogs(language: str) -> Iterator[tuple[str, Catalog]]:
    """Yield the subjects of a language, each with its messages."""
    for path in sorted((TRANSLATIONS / language).glob("*.po")):
        with path.open("rb") as file:
            yield path.stem, read_po(file, locale=language, abort_invalid=True)


def update(language: str) -> tuple[list[Id], list[Id]]:
    """Write a language's files; return the new messages and the unused messages."""
    wanted, before = said(), translated(language)
    by_subject: dict[str, Catalog] = {}
    for identifier, subject in sorted(wanted.items(), key=lambda pair: str(pair[0])):
        place, old = before.get(identifier, (subject, None))
        catalog = by_subject.setdefault(place, Catalog(locale=language, fuzzy=False))
        catalog.add(identifier, string=old.string if old else None)
    for path in (TRANSLATIONS / language).glob("*.po"):
        if path.stem not in by_subject:
            path.unlink()
    for subject, catalog in by_subject.items():
        _write(TRANSLATIONS / language / f"{subject}.po", catalog, language)
    return [one for one in wanted if one not in before], [
        one for one in before if one not in wanted
    ]


def _write(path: Path, catalog: Catalog, language: str) -> None:
    catalog.header_comment = f"# {language}: {path.stem}. services/console/tools/catalogs.py adds."
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        # No header with times and names, which would cause a conflict in each merge.
        write_po(file, catalog, width=100, no_location=True, omit_header=True, sort_output=True)


def _id(message: Message) -> Id:
    return tuple(message.id) if isinstance(message.id, tuple | list) else message.id


def main() -> None:
    """Run the command line."""
    wrong = 0
    for language in LANGUAGES:
        if "--check" in sys.argv[1:]:
            wanted, found = said(), translated(language)
            new = [one for one in wanted if one not in found]
            gone = [one for one in found if one not in wanted]
        else:
            new, gone = update(language)
        found = translated(language)
        empty = [one for one, (_, message) in found.items() if not _is_done(message)]
        for word, messages in (("new", new), ("gone", gone), ("not translated", empty)):
            for one in messages:
                print(f"{language}: {word}: {one!r}")
        wrong += len(new) + len(gone) + len(empty)
    if wrong and "--check" in sys.argv[1:]:
        sys.exit(1)


def _is_done(message: Message) -> bool:
    return all(message.string) if isinstance(message.string, tuple | list) else bool(message.string)


if __name__ == "__main__":
    main()
