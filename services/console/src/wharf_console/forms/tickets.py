"""The forms for tickets: for the scripts of a page, and for guests."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from wtforms import BooleanField, DecimalField, SelectField, StringField
from wtforms.validators import InputRequired, Length, NumberRange, Optional, ValidationError

from wharf_console.api.tickets import ANY_NUMBER, Place
from wharf_console.forms.base import ConsoleForm
from wharf_console.forms.lists import WholeNumberField
from wharf_console.web.language import gettext, lazy_gettext

_MEGABYTE = 1_000_000
# The API's limit for keys.
_MAX_CHARACTERS = 1024
_PLAIN = {"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}
_NUMBER = lazy_gettext("Enter 1 or more, or nothing.")


class ScriptTicketForm(ConsoleForm):
    """The form with the target of a page's uploads."""

    bucket = StringField(validators=[InputRequired(), Length(max=_MAX_CHARACTERS)])
    prefix = StringField(validators=[Length(max=_MAX_CHARACTERS)])


class TicketForm(ConsoleForm):
    """The form of a ticket for a guest. The view sets the choices of bucket and time."""

    bucket = SelectField(
        lazy_gettext("Bucket"),
        validators=[InputRequired(lazy_gettext("Choose a bucket."))],
        validate_choice=False,
    )
    prefix = StringField(
        lazy_gettext("Folder"), validators=[Length(max=_MAX_CHARACTERS)], render_kw=_PLAIN
    )
    key = StringField(
        lazy_gettext("Name of the only file"),
        validators=[Length(max=_MAX_CHARACTERS)],
        render_kw=_PLAIN,
    )
    replaces = BooleanField(lazy_gettext("It may replace the file of this name"))
    kind = SelectField(
        lazy_gettext("Kind of files"),
        choices=lambda: {
            "": gettext("All that the bucket takes"),
            "image/*": gettext("Pictures"),
            "video/*": gettext("Videos"),
            "audio/*": gettext("Sound"),
            "application/pdf": gettext("PDF"),
            "other": gettext("Others, which I name"),
        },
    )
    types = StringField(
        lazy_gettext("Types of the others"), validators=[Length(max=1000)], render_kw=_PLAIN
    )
    megabytes = DecimalField(
        lazy_gettext("Largest file, in MB"),
        validators=[Optional(), NumberRange(min=Decimal("0.001"), max=10**9)],
        render_kw={"inputmode": "decimal"},
    )
    max_files = WholeNumberField(
        lazy_gettext("Number of files"),
        default=20,
        validators=[Optional(), NumberRange(min=1, max=10**9, message=_NUMBER)],
        render_kw={"inputmode": "numeric"},
    )
    expires_in = SelectField(lazy_gettext("Good for"))

    def validate_types(self, field: Any) -> None:
        """Require types if the kind is `other`."""
        if self.kind.data == "other" and not _listed(field.data):
            raise ValidationError(gettext("Name at least one type, like application/zip."))

    def place(self, redirect: str) -> Place:
        """Return the rules of the ticket; after a plain form the API redirects to `redirect`."""
        folder = as_folder(self.prefix.data)
        name = (self.key.data or "").strip()
        types = _listed(self.types.data) if self.kind.data == "other" else (self.kind.data,)
        return Place(
            bucket=self.bucket.data,
            key=folder + name if name else None,
            prefix=None if name else folder,
            max_file_bytes=int(self.megabytes.data * _MEGABYTE) if self.megabytes.data else None,
            allowed_types=tuple(filter(None, types)),
            max_files=self.max_files.data or ANY_NUMBER,
            redirect=(redirect,),
            create_only=bool(name) and not self.replaces.data,
        )


def as_folder(prefix: str | None) -> str:
    """Return the typed text as a folder: empty, or with a slash at the end, none at the start."""
    name = (prefix or "").strip().strip("/")
    return f"{name}/" if name else ""


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple((text or "").replace(",", " ").replace(";", " ").split())
