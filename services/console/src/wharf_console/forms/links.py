"""The forms of links: to make a link, to filter links, and to end one or all."""

from __future__ import annotations

from wtforms import Form, HiddenField, SelectField, StringField
from wtforms.validators import InputRequired, Length

from wharf_console.forms.base import ConsoleForm
from wharf_console.web import durations
from wharf_console.web.durations import DAY, HOUR
from wharf_console.web.language import gettext, lazy_gettext

_TIMES = (HOUR, DAY, 7 * DAY)
_LONGEST = 1024
_AS_IT_IS = {"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}


class LinkForm(ConsoleForm):
    """The form of a new link. The view sets the buckets."""

    bucket = SelectField(
        lazy_gettext("Bucket"),
        validators=[InputRequired(lazy_gettext("Choose a bucket."))],
        validate_choice=False,
    )
    target = StringField(
        lazy_gettext("File or folder"),
        validators=[
            InputRequired(lazy_gettext("Enter the name of a file or a folder.")),
            Length(max=_LONGEST),
        ],
        render_kw=_AS_IT_IS,
    )
    disposition = SelectField(
        lazy_gettext("When it is opened"),
        choices=lambda: {
            "inline": gettext("Show the file, if its type is harmless"),
            "attachment": gettext("Save the file"),
        },
    )
    expires_in = SelectField(
        lazy_gettext("Good for"),
        default=str(DAY),
        choices=lambda: durations.choices(_TIMES, most=7 * DAY),
    )


class LinkFilter(Form):
    """The filter of the list of links; it changes nothing, so it needs no CSRF token.

    The view sets the choices of `whose`.
    """

    where = StringField(lazy_gettext("Bucket"), render_kw=_AS_IT_IS)
    shows = StringField(lazy_gettext("File"), render_kw=_AS_IT_IS)
    whose = SelectField(lazy_gettext("Made by"), default="", validate_choice=False)

    def query(self) -> dict[str, str]:
        """Return the filter as parameters of a URL; without a bucket, ignore the typed file."""
        where = (self.where.data or "")[:_LONGEST]
        shows = (self.shows.data or "")[:_LONGEST] if where else ""
        given = {"where": where, "shows": shows, "whose": (self.whose.data or "")[:_LONGEST]}
        return {name: value for name, value in given.items() if value}


class EndForm(ConsoleForm):
    """The form that ends one link; `name` is the file or folder of the link.

    `confirmed` means that the person has confirmed; `back` is the address of the list.
    """

    confirmed = HiddenField()
    name = HiddenField()
    back = HiddenField()


class RevokeForm(ConsoleForm):
    """The form that ends all links; `confirmed` means that the person has confirmed."""

    confirmed = HiddenField()
