"""The base of the forms that change something.

It adds the CSRF token, and fills in the text that was typed before the session ended.
"""

from __future__ import annotations

from typing import Any

from flask import request
from flask_login import current_user
from flask_wtf import FlaskForm
from wtforms.i18n import get_translations
from wtforms.meta import DefaultMeta

from wharf_console.web import kept_forms
from wharf_console.web.language import current

# The catalogs of WTForms for the languages of the pages; English needs none.
_CATALOGS = {"en": (), "zh_Hans": ("zh",)}


class InLanguage(DefaultMeta):
    """The setting that shows WTForms' messages in the person's language.

    Flask-WTF would look for a catalog `zh_Hans`, but WTForms calls it `zh`.
    """

    def get_translations(self, form: Any) -> Any:  # noqa: ARG002 -- the same for each form
        """Return the catalog of WTForms; `None` for English."""
        wanted = _CATALOGS[current()]
        return get_translations(wanted) if wanted else None


class ConsoleForm(FlaskForm):  # type: ignore[misc] # Flask-WTF has no types
    """A form of the console; `validate_on_submit()` tells whether a valid form was sent."""

    class Meta(InLanguage, FlaskForm.Meta):  # type: ignore[misc] # Flask-WTF has no types
        """The settings of WTForms for this form."""

    def __init__(self, **options: Any) -> None:
        if request.method == "GET" and current_user.is_authenticated:
            typed = kept_forms.take(current_user.person.user_id)
            if typed is not None:
                options["formdata"] = typed
        super().__init__(**options)

    def refuse(self, field: str, message: str) -> None:
        """Show a refusal of the API at the field that it is about."""
        wrong = self[field]
        wrong.errors = [*wrong.errors, message]
