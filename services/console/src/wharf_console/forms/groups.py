"""The forms of groups: for the group, and for new members."""

from __future__ import annotations

from wtforms import BooleanField, SelectMultipleField, TextAreaField
from wtforms.validators import DataRequired
from wtforms.widgets import CheckboxInput, ListWidget

from wharf_console.forms.base import ConsoleForm
from wharf_console.forms.clients import NamedForm, scopes_told
from wharf_console.web.language import lazy_gettext

#: Patterns that find the field that a refusal of the API is about.
FIELDS = {"name": r"^group-exists|\bThe name\b", "scopes": r"\bscopes?\b"}


class GroupForm(NamedForm):
    """The form of a new or changed group."""

    scopes = SelectMultipleField(
        lazy_gettext("What its members may do beside their own rights"),
        choices=scopes_told,
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
    )


class AddForm(ConsoleForm):
    """The form with new members of a group: names or ids of people and clients, one per line.

    `alone` gives an empty list of grants to each new member without a list, except to owners. Then
    only the groups' grants apply to the member.
    """

    names = TextAreaField(
        lazy_gettext("New members"),
        validators=[DataRequired(lazy_gettext("Enter a name."))],
        render_kw={"rows": 3, "autocapitalize": "none", "spellcheck": "false"},
    )
    alone = BooleanField(lazy_gettext("They reach only what their groups give"))

    def wanted(self) -> list[str]:
        """Return the typed names without duplicates."""
        lines = (line.strip() for line in (self.names.data or "").splitlines())
        return list(dict.fromkeys(line for line in lines if line))
