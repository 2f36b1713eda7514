"""The forms of the person's own account."""

from __future__ import annotations

from wtforms import HiddenField, PasswordField
from wtforms.validators import EqualTo, InputRequired, Length

from wharf_console.forms.base import ConsoleForm
from wharf_console.web.language import lazy_gettext

# The limits of auth.
_MIN_CHARACTERS, _MAX_CHARACTERS = 8, 256
_LENGTH = lazy_gettext("A password has 8 to 256 characters.")
#: Patterns that find the field that a refusal of the API is about.
FIELDS = {"new_password": r"^unprocessable"}


class PasswordForm(ConsoleForm):
    """A form with the current and the new password."""

    current_password = PasswordField(
        lazy_gettext("Current password"),
        validators=[InputRequired(lazy_gettext("Enter your password."))],
        render_kw={"autocomplete": "current-password"},
    )
    new_password = PasswordField(
        lazy_gettext("New password"),
        validators=[
            InputRequired(lazy_gettext("Enter a new password.")),
            Length(min=_MIN_CHARACTERS, max=_MAX_CHARACTERS, message=_LENGTH),
        ],
        render_kw={"autocomplete": "new-password"},
    )
    repeated_password = PasswordField(
        lazy_gettext("New password, once more"),
        validators=[EqualTo("new_password", lazy_gettext("It is not the same as above."))],
        render_kw={"autocomplete": "new-password"},
    )


class SessionForm(ConsoleForm):
    """A form with the session to end."""

    session = HiddenField()
