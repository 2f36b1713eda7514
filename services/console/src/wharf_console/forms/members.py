"""The forms of people: a new one, and what changes of one."""

from __future__ import annotations

from wtforms import HiddenField, SelectField, StringField
from wtforms.validators import DataRequired, Length

from wharf_console.forms.base import ConsoleForm
from wharf_console.web.language import gettext, lazy_gettext

# As auth takes them.
MAX_USERNAME, MAX_NAME = 254, 200
#: Which field a refusal of the API is about.
FIELDS = {"username": r"^user-exists|\buser name\b", "display_name": r"\bdisplay name\b"}
_TOO_LONG = lazy_gettext("This is too long.")


def roles() -> dict[str, str]:
    """Return the roles, each with its name."""
    return {"viewer": gettext("viewer"), "editor": gettext("editor"), "owner": gettext("owner")}


def roles_told() -> dict[str, str]:
    """Return the roles, each with what it may do."""
    return {
        "viewer": gettext("Viewer: reads files"),
        "editor": gettext("Editor: also uploads and deletes files"),
        "owner": gettext("Owner: also manages buckets, members and clients"),
    }


class NewMemberForm(ConsoleForm):
    """A person to be."""

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


class OwnNameForm(ConsoleForm):
    """The name of who is logged in: nobody changes the own role."""

    display_name = StringField(
        lazy_gettext("Name"),
        validators=[
            DataRequired(lazy_gettext("Enter a name.")),
            Length(max=MAX_NAME, message=_TOO_LONG),
        ],
        render_kw={"autocomplete": "off"},
    )


class MemberForm(OwnNameForm):
    """Name and role of a person."""

    role = SelectField(lazy_gettext("Role"), choices=roles_told)


class StateForm(ConsoleForm):
    """Whether a person may log in: `active` or `disabled`."""

    state = HiddenField()
