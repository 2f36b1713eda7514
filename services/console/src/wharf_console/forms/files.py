"""Forms of the list of files."""

from __future__ import annotations

from wtforms import HiddenField, SelectMultipleField

from wharf_console.forms.base import ConsoleForm


class SelectionForm(ConsoleForm):
    """The files that were ticked; `confirmed` once the person has said so again."""

    key = SelectMultipleField(validate_choice=False)
    confirmed = HiddenField()
    back = HiddenField()
