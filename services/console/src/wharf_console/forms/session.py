"""The forms of the login, and of the language and theme."""

from __future__ import annotations

from wtforms import HiddenField, PasswordField, SelectField, StringField
from wtforms.validators import InputRequired, Length

from wharf_console.forms.base import ConsoleForm
from wharf_console.web.language import LANGUAGES, lazy_gettext
from wharf_console.web.theme import THEMES

# The limits of auth.
_MAX_CHARACTERS = 1024


class LoginForm(ConsoleForm):
    """The form with tenant, name and password; `next` is the address after the login."""

    tenant = StringField(
        lazy_gettext("Tenant"),
        validators=[InputRequired(lazy_gettext("Enter your tenant.")), Length(max=_MAX_CHARACTERS)],
        render_kw={"autocomplete": "organization", "autocapitalize": "none", "spellcheck": "false"},
    )
    username = StringField(
        lazy_gettext("User name"),
        validators=[InputRequired(lazy_gettext("Enter your name.")), Length(max=_MAX_CHARACTERS)],
        render_kw={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"},
    )
    password = PasswordField(
        lazy_gettext("Password"),
        validators=[
            InputRequired(lazy_gettext("Enter your password.")),
            Length(max=_MAX_CHARACTERS),
        ],
        render_kw={"autocomplete": "current-password"},
    )
    next = HiddenField()


class PreferencesForm(ConsoleForm):
    """The form with language and theme; `next` is the page where they were chosen."""

    language = SelectField(lazy_gettext("Language"), choices=LANGUAGES)
    theme = SelectField(lazy_gettext("Colours"), choices=dict.fromkeys(THEMES, ""))
    next = HiddenField()
