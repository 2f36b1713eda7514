"""The forms about files."""

from __future__ import annotations

from wtforms import (
    BooleanField,
    DateTimeLocalField,
    HiddenField,
    SelectField,
    SelectMultipleField,
    StringField,
)
from wtforms.validators import DataRequired, Length, Optional

from wharf_console.forms.base import ConsoleForm
from wharf_console.web.language import gettext, lazy_gettext

#: The number of files on a page of the list.
MAX_FILES = 100
_MAX_CHARACTERS = 1024
_NAME = {"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}
HOUR, DAY, WEEK = 3600, 24 * 3600, 7 * 24 * 3600


class ViewForm(ConsoleForm):
    """The choice between list and grid; `back` is the address of the list."""

    view = SelectField(choices={"list": "", "grid": ""})
    back = HiddenField()


class SelectionForm(ConsoleForm):
    """The selected files, or the file of a page; `confirmed` means that the person has confirmed.

    `back` is the address after the action, `cancel` the address if the person cancels.
    """

    key = SelectMultipleField(validate_choice=False)
    confirmed = HiddenField()
    back = HiddenField()
    cancel = HiddenField()

    def keys(self) -> list[str]:
        """Return the selected keys without duplicates, at most `MAX_FILES`."""
        return list(dict.fromkeys(self.key.data or ()))[:MAX_FILES]


class MoveForm(SelectionForm):
    """The form with the target of a move."""

    to_bucket = SelectField(lazy_gettext("Bucket"), validate_choice=False)
    to_folder = StringField(
        lazy_gettext("Folder"), validators=[Length(max=_MAX_CHARACTERS)], render_kw=_NAME
    )
    on_conflict = SelectField(
        lazy_gettext("If there is a file of this name"),
        choices=lambda: {
            "error": gettext("Do not move"),
            "rename": gettext("Add a number to the name"),
            "replace": gettext("Replace the file that is there"),
        },
    )


class LinksForm(SelectionForm):
    """The form with the validity of links, and with the way a browser opens the file."""

    seconds = SelectField(
        lazy_gettext("Good for"),
        coerce=int,
        default=DAY,
        choices=lambda: {
            str(HOUR): gettext("An hour"),
            str(DAY): gettext("A day"),
            str(WEEK): gettext("A week"),
        },
    )
    disposition = SelectField(
        lazy_gettext("When it is opened"),
        choices=lambda: {
            "inline": gettext("Show the file, if its type is harmless"),
            "attachment": gettext("Save the file"),
        },
    )


class RenameForm(ConsoleForm):
    """The form with the new name of a file in its folder."""

    name = StringField(
        lazy_gettext("New name"),
        validators=[
            DataRequired(lazy_gettext("Enter a name.")),
            Length(max=_MAX_CHARACTERS),
        ],
        render_kw=_NAME,
    )
    version = HiddenField()


class DescriptionForm(ConsoleForm):
    """The form with a file's details: name of the download, expiry, and metadata.

    `seen` is a digest of the details when the page was made. `more` requests further rows.
    """

    filename = StringField(
        lazy_gettext("Name of the download"),
        validators=[DataRequired(lazy_gettext("Enter a name.")), Length(max=_MAX_CHARACTERS)],
        render_kw=_NAME,
    )
    expiry = SelectField(
        lazy_gettext("Expires"),
        choices=lambda: {
            "keep": gettext("As it is now"),
            "never": gettext("Never"),
            "at": gettext("At this time:"),
        },
    )
    expires_at = DateTimeLocalField(
        lazy_gettext("Time"),
        format=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
        validators=[Optional()],
    )
    zone = HiddenField(default="UTC", render_kw={"data-time-zone": ""})
    names = SelectMultipleField(name="name", validate_choice=False)
    values = SelectMultipleField(name="value", validate_choice=False)
    seen = HiddenField()
    more = BooleanField()

    def pairs(self) -> list[tuple[str, str]]:
        """Return names and values of the metadata, without empty rows."""
        rows = zip(self.names.data or (), self.values.data or (), strict=False)
        return [(name.strip(), value) for name, value in rows if name.strip() or value]
