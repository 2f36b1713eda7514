"""The forms of clients: a new one, and what changes of one."""

from __future__ import annotations

from wtforms import Field, HiddenField, SelectMultipleField, StringField
from wtforms.validators import DataRequired, Length, ValidationError
from wtforms.widgets import CheckboxInput, ListWidget

from wharf_console.forms.base import ConsoleForm
from wharf_console.forms.grants import GrantsForm
from wharf_console.forms.members import MAX_NAME
from wharf_console.web.language import gettext, lazy_gettext

#: Which field a refusal of the API is about.
FIELDS = {"name": r"\bThe name\b", "scopes": r"\bscopes?\b"}


def scopes_told() -> dict[str, str]:
    """Return what a client of a tenant may be allowed, each in words."""
    return {
        "files:read": gettext("read files"),
        "files:write": gettext("upload and change files"),
        "files:delete": gettext("delete files"),
        "buckets:admin": gettext("make buckets and change their settings"),
        "events:read": gettext("read what happened"),
    }


def _one_at_least(_: ConsoleForm, field: Field) -> None:
    # WTForms' own rule would have browsers demand each box.
    if not field.data:
        raise ValidationError(gettext("Choose at least one."))


class NamedForm(GrantsForm):
    """The reach of something with a name: a client or a group."""

    name = StringField(
        lazy_gettext("Name"),
        validators=[
            DataRequired(lazy_gettext("Enter a name.")),
            Length(max=MAX_NAME, message=lazy_gettext("This is too long.")),
        ],
        render_kw={"autocomplete": "off"},
    )


class ClientForm(NamedForm):
    """Name, scopes and reach of a client."""

    scopes = SelectMultipleField(
        lazy_gettext("What it may do"),
        choices=scopes_told,
        validators=[_one_at_least],
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
    )


class NewClientForm(ClientForm):
    """A client to be; `once` is another one each time the form is shown."""

    once = HiddenField()
