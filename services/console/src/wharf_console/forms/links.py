"""The form that makes a link, those that end one or all of them, and which are shown."""

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
    """What a link shows, how, and for how long. The view sets the buckets."""

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
    """Which links a person wants to see; it changes nothing, so it needs no token.

    The view sets whose links there are to choose from.
    """

    where = StringField(lazy_gettext("Bucket"), render_kw=_AS_IT_IS)
    shows = StringField(lazy_gettext("File"), render_kw=_AS_IT_IS)
    whose = SelectField(lazy_gettext("Made by"), default="", validate_choice=False)

    def query(self) -> dict[str, str]:
        """Return what was asked for, as a link carries it; a file is one of a bucket."""
        where = (self.where.data or "")[:_LONGEST]
        shows = (self.shows.data or "")[:_LONGEST] if where else ""
        given = {"where": where, "shows": shows, "whose": (self.whose.data or "")[:_LONGEST]}
        return {name: value for name, value in given.items() if value}


class EndForm(ConsoleForm):
    """One link, by what it shows.

    `confirmed` once the person has said so again; `back` is where the list was.
    """

    confirmed = HiddenField()
    name = HiddenField()
    back = HiddenField()


class RevokeForm(ConsoleForm):
    """All links; `confirmed` once the person has said so again."""

    confirmed = HiddenField()
