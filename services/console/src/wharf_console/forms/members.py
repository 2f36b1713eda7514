"""The forms of people: for a new person, and for changes."""

from __future__ import annotations

import unicodedata

from wtforms import Field, HiddenField, SelectField, StringField
from wtforms.validators import DataRequired, Length, ValidationError

from wharf_console.forms.base import ConsoleForm
from wharf_console.forms.grants import GrantsForm
from wharf_console.web.language import gettext, lazy_gettext

# The limits of auth.
MAX_USERNAME, MAX_NAME = 254, 200
#: Patterns that find the field that a refusal of the API is about.
FIELDS = {"username": r"^user-exists|\buser name\b", "display_name": r"\bdisplay name\b"}
# The rules of auth (wharf_auth.domain.users). Auth decides; the form checks them to show an error
# earlier.
_PUNCTUATION = frozenset("._-+@'!#$%&*=?^`|~")
_TOO_LONG = lazy_gettext("This is too long.")


def roles() -> dict[str, str]:
    """Return the roles with their names."""
    return {"viewer": gettext("viewer"), "editor": gettext("editor"), "owner": gettext("owner")}


def roles_told() -> dict[str, str]:
    """Return the roles with descriptions of their permissions."""
    return {
        "viewer": gettext("Viewer: reads files"),
        "editor": gettext("Editor: also uploads and deletes files"),
        "owner": gettext("Owner: also manages buckets, webhooks, members and clients"),
    }


def is_username(name: str) -> bool:
    """Tell whether auth accepts the name."""
    return (
        len(name) <= MAX_USERNAME
        and all(one in _PUNCTUATION or unicodedata.category(one)[0] in "LMN" for one in name)
        and any(map(str.isalnum, name))
    )


def username_rule() -> str:
    """Return a sentence about the characters of user names."""
    return gettext(
        "A user name has letters, digits and the punctuation of e-mail addresses, no spaces."
    )


class NewMemberForm(GrantsForm):
    """The form of a new person."""

    username = StringField(
        lazy_gettext("User name"),
        validators=[
            DataRequired(lazy_gettext("Enter a user name.")),
            Length(max=MAX_USERNAME, message=_TOO_LONG),
        ],
        render_kw={"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"},
    )
    display_name = StringField(
        lazy_gettext("Name"),
        validators=[Length(max=MAX_NAME, message=_TOO_LONG)],
        render_kw={"autocomplete": "off"},
    )
    role = SelectField(lazy_gettext("Role"), choices=roles_told, default="viewer")

    def validate_username(self, field: Field) -> None:
        """Refuse a name that auth would refuse."""
        if not is_username((field.data or "").strip()):
            raise ValidationError(username_rule())


class OwnNameForm(ConsoleForm):
    """The form with the name of the person who is logged in, who cannot change their own role."""

    display_name = StringField(
        lazy_gettext("Name"),
        validators=[
            DataRequired(lazy_gettext("Enter a name.")),
            Length(max=MAX_NAME, message=_TOO_LONG),
        ],
        render_kw={"autocomplete": "off"},
    )


class MemberForm(OwnNameForm):
    """The form with the name and role of another person."""

    role = SelectField(lazy_gettext("Role"), choices=roles_told)


class StateForm(ConsoleForm):
    """The form that allows or disables logins: `state` is `active` or `disabled`."""

    state = HiddenField()
