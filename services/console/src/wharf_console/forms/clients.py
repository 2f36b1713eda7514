"""The forms of clients: for a new client, and for changes."""

from __future__ import annotations

from wtforms import Field, HiddenField, SelectMultipleField, StringField
from wtforms.validators import DataRequired, Length, ValidationError
from wtforms.widgets import CheckboxInput, ListWidget

from wharf_console.forms.base import ConsoleForm
from wharf_console.forms.grants import GrantsForm
from wharf_console.forms.members import MAX_NAME
from wharf_console.web.language import gettext, lazy_gettext

#: Patterns that find the field that a refusal of the API is about.
FIELDS = {"name": r"\bThe name\b", "scopes": r"\bscopes?\b"}


def scopes_told() -> dict[str, str]:
    """Return the scopes that a client of a tenant may have, with descriptions."""
    return {
        "files:read": gettext("read files"),
        "files:write": gettext("upload and change files"),
        "files:delete": gettext("delete files"),
        "buckets:admin": gettext("make buckets and change their settings"),
        "events:read": gettext("read what happened"),
        "webhooks:admin": gettext("send events to other servers (webhooks)"),
    }


def _one_at_least(_: ConsoleForm, field: Field) -> None:
    # WTForms' own rule for a required field would make browsers require every box.
    if not field.data:
        raise ValidationError(gettext("Choose at least one."))


class NamedForm(GrantsForm):
    """A form with a name and grants, for a client or a group."""

    name = StringField(
        lazy_gettext("Name"),
        validators=[
            DataRequired(lazy_gettext("Enter a name.")),
            Length(max=MAX_NAME, message=lazy_gettext("This is too long.")),
        ],
        render_kw={"autocomplete": "off"},
    )


class ClientForm(NamedForm):
    """A form with the name, scopes and grants of a client."""

    scopes = SelectMultipleField(
        lazy_gettext("What it may do"),
        choices=scopes_told,
        validators=[_one_at_least],
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
    )


class NewClientForm(ClientForm):
    """The form of a new client; `once` is different each time the form is shown."""

    once = HiddenField()
