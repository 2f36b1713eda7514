"""The form that makes a link, and the one that revokes all of them."""

from __future__ import annotations

from wtforms import HiddenField, SelectField, StringField
from wtforms.validators import InputRequired, Length

from wharf_console.forms.base import ConsoleForm
from wharf_console.web import durations
from wharf_console.web.durations import DAY, HOUR
from wharf_console.web.language import gettext, lazy_gettext

_TIMES = (HOUR, DAY, 7 * DAY)


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
            Length(max=1024),
        ],
        render_kw={"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"},
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


class RevokeForm(ConsoleForm):
    """All links; `confirmed` once the person has said so again."""

    confirmed = HiddenField()
