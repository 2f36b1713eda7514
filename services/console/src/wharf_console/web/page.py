"""The values that `base.html` needs on each page: assets, language, theme and permissions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Flask, g
from flask_login import current_user

from wharf_console.settings import Settings
from wharf_console.web import content, language, reaching, theme
from wharf_console.web.assets import Assets
from wharf_console.web.targets import here

PACKAGE = Path(__file__).parents[1]


def install(app: Flask, settings: Settings) -> None:
    """Give every template the values that `base.html` uses."""
    assets = Assets()
    app.jinja_env.globals["asset"] = assets.url

    @app.context_processor
    def values() -> dict[str, Any]:
        return {
            "lang": language.html_tag(),
            "language": language.current(),
            "languages": language.LANGUAGES,
            "theme": theme.current(),
            "themes": theme.THEMES,
            "here": here(),
            "examples": settings.console_examples,
            "content_is_apart": content.is_apart(settings),
            "may": _may,
            "reaching": reaching,
            # The navigation shows only pages that exist.
            "pages": app.view_functions,
            "first_wrong": _first_wrong,
        }


def _first_wrong(_: object) -> bool:
    """Tell whether this is the first call for the page: the first wrong field gets the focus."""
    first = "wrong_field" not in g
    g.wrong_field = True
    return first


def _may(scope: str) -> bool:
    return bool(current_user.is_authenticated and current_user.may(scope))
