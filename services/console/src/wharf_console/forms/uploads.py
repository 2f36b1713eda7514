"""The form that ends an upload."""

from __future__ import annotations

from wtforms import HiddenField

from wharf_console.forms.base import ConsoleForm


class CancelForm(ConsoleForm):
    """One upload, and whose it is.

    `confirmed` once the person has said so again; `back` is where the list was.
    """

    confirmed = HiddenField()
    name = HiddenField()
    subject = HiddenField()
    back = HiddenField()
