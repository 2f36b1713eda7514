"""The texts of pages: gettext with the catalogs of `translations/`, and the person's language.

Use these functions instead of Flask-Babel's, because they have types. The strings in the code are
English. Each other language has a folder in `translations/` with one `.po` file for each subject.
A process reads these files when it starts, so there are no compiled files that could be stale.
"""

from __future__ import annotations

import functools
from io import BytesIO
from pathlib import Path
from typing import Any

import flask_babel
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask import Flask, g, has_request_context, request
from flask_babel import Babel

COOKIE = "wharf_console_language"
# The names of the languages, by the names of their catalogs.
LANGUAGES = {"en": "English", "zh_Hans": "简体中文"}
TRANSLATIONS = Path(__file__).parents[1] / "translations"


def gettext(message: str, **values: object) -> str:
    """Return the message in the person's language."""
    return str(flask_babel.gettext(message, **values))


def ngettext(singular: str, plural: str, num: int, **values: object) -> str:
    """Return the message in the person's language, in the singular or plural form for `num`."""
    return str(flask_babel.ngettext(singular, plural, num, **values))


def lazy_gettext(message: str, **values: object) -> Any:
    """Return a message that is translated when it is shown, for labels of forms."""
    return flask_babel.lazy_gettext(message, **values)


def install(app: Flask) -> None:
    """Translate the pages of the application."""
    translated = {name: loaded(name) for name in LANGUAGES}
    babel = Babel()
    # Set a cached property of Flask-Babel, because its default reads compiled files.
    babel.__dict__["domain_instance"] = _Domain(translated)
    babel.init_app(app, locale_selector=current)

    # A template translates hundreds of texts. These functions bypass Flask-Babel, which looks up
    # its domain each time.
    def one(message: str) -> str:
        return translated[current()].gettext(message)

    def several(singular: str, plural: str, count: int) -> str:
        return translated[current()].ngettext(singular, plural, count)

    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined] # of its extension
        one, several, newstyle=True
    )
    app.jinja_env.add_extension("jinja2.ext.do")
    app.jinja_env.policies["ext.i18n.trimmed"] = True


@functools.cache
def loaded(language: str) -> NullTranslations:
    """Return the catalog of a language, from all its files."""
    whole = Catalog(locale=language)
    for path in sorted((TRANSLATIONS / language).glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file, locale=language, abort_invalid=True):
                if message.id and message.string:
                    whole.add(message.id, message.string, context=message.context)
    compiled = BytesIO()
    write_mo(compiled, whole)
    compiled.seek(0)
    return Translations(compiled) if len(whole) else NullTranslations()


class _Domain(flask_babel.Domain):  # type: ignore[misc] # Flask-Babel has no types
    """A domain of Flask-Babel with catalogs in memory."""

    def __init__(self, translated: dict[str, NullTranslations]) -> None:
        super().__init__()
        self._translated = translated

    def get_translations(self) -> NullTranslations:
        """Return the catalog of the person's language."""
        return self._translated[str(flask_babel.get_locale() or "en")]


def current() -> str:
    """Return the language of the request: the chosen one, else the browser's preference."""
    if not has_request_context():
        return "en"
    found: str | None = g.get("language")
    if found is None:
        found = g.language = _wanted()
    return found


def _wanted() -> str:
    chosen = request.cookies.get(COOKIE)
    if chosen in LANGUAGES:
        return chosen
    for tag, quality in request.accept_languages:
        primary = tag.partition("-")[0].lower()
        if quality > 0 and primary in {"en", "zh"}:
            return "en" if primary == "en" else "zh_Hans"
    return "en"


def html_tag() -> str:
    """Return the language tag for `<html lang>` (BCP 47)."""
    return current().replace("_", "-")
