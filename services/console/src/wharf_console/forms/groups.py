"""The forms of groups: what one is, and who comes into it."""

from __future__ import annotations

from wtforms import BooleanField, SelectMultipleField, StringField, TextAreaField
from wtforms.validators import DataRequired, Length
from wtforms.widgets import CheckboxInput, ListWidget

from wharf_console.forms.base import ConsoleForm
from wharf_console.forms.clients import scopes_told
from wharf_console.forms.grants import GrantsForm
from wharf_console.forms.members import MAX_NAME
from wharf_console.web.language import lazy_gettext

#: Which field a refusal of the API is about.
FIELDS = {"name": r"^group-exists|\bThe name\b", "scopes": r"\bscopes?\b"}


class GroupForm(GrantsForm):
    """A group to be, or what changes of one."""

    name = StringField(
        lazy_gettext("Name"),
        validators=[
            DataRequired(lazy_gettext("Enter a name.")),
            Length(max=MAX_NAME, message=lazy_gettext("This is too long.")),
        ],
        render_kw={"autocomplete": "off"},
    )
    scopes = SelectMultipleField(
        lazy_gettext("What its members may do beside their own rights"),
        choices=scopes_told,
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
    )


class AddForm(ConsoleForm):
    """Who comes into a group: user names, or names or ids of programs, one a line.

    `alone` takes away what they reach of their own.
    """

    names = TextAreaField(
        lazy_gettext("Who comes in"),
        validators=[DataRequired(lazy_gettext("Enter a name."))],
        render_kw={"rows": 3, "autocapitalize": "none", "spellcheck": "false"},
    )
    alone = BooleanField(lazy_gettext("They reach only what their groups give"))

    def wanted(self) -> list[str]:
        """Return the names, each once."""
        lines = (line.strip() for line in (self.names.data or "").splitlines())
        return list(dict.fromkeys(line for line in lines if line))
