"""The form that ends an upload."""

from __future__ import annotations

from wtforms import HiddenField

from wharf_console.forms.base import ConsoleForm


class CancelForm(ConsoleForm):
    """The form with the upload to end and its subject.

    `confirmed` means that the person has confirmed; `back` is the address of the list.
    """

    confirmed = HiddenField()
    name = HiddenField()
    subject = HiddenField()
    back = HiddenField()
