"""The forms of webhooks: an endpoint, a replay, and the filter of the log."""

from __future__ import annotations

import re

from wtforms import (
    BooleanField,
    DateTimeLocalField,
    Form,
    HiddenField,
    SelectField,
    SelectMultipleField,
    StringField,
)
from wtforms.validators import DataRequired, Length, Optional, Regexp
from wtforms.widgets import CheckboxInput, ListWidget

from wharf_console.api.events import KINDS
from wharf_console.api.webhooks import Endpoint, Wanted
from wharf_console.forms.base import ConsoleForm
from wharf_console.web.language import gettext, lazy_gettext

#: Patterns that find the field that a refusal of the API is about.
FIELDS = {"url": r"^endpoint-not-allowed", "bucket": r"^invalid-key"}
# The limits of the API. The API decides about everything else in a URL.
_MAX_URL, _MAX_DESCRIPTION, _MAX_PREFIX, _MAX_BUCKET = 2000, 200, 1024, 63
_URL = re.compile(r"\s*https?://\S+\s*\Z", re.IGNORECASE)
_PLAIN = {"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}
_TOO_LONG = lazy_gettext("This is too long.")
_FORMATS = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]


class EndpointForm(ConsoleForm):
    """The form of a new or changed endpoint; `once` is different each time a new form is shown."""

    url = StringField(
        lazy_gettext("Address"),
        validators=[
            DataRequired(lazy_gettext("Enter an address.")),
            Length(max=_MAX_URL, message=_TOO_LONG),
            Regexp(_URL, message=lazy_gettext("Enter an address that begins with https://.")),
        ],
        render_kw={**_PLAIN, "inputmode": "url"},
    )
    description = StringField(
        lazy_gettext("Description"),
        validators=[Length(max=_MAX_DESCRIPTION, message=_TOO_LONG)],
        render_kw={"autocomplete": "off"},
    )
    kinds = SelectMultipleField(
        lazy_gettext("Which events"),
        choices={kind: kind for kind in KINDS},
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
    )
    bucket = StringField(
        lazy_gettext("Only in the bucket"),
        validators=[Length(max=_MAX_BUCKET, message=_TOO_LONG)],
        render_kw={**_PLAIN, "list": "bucket-names"},
    )
    prefix = StringField(
        lazy_gettext("Only names that begin with"),
        validators=[Length(max=_MAX_PREFIX, message=_TOO_LONG)],
        render_kw=_PLAIN,
    )
    ordered = BooleanField(lazy_gettext("One after the other, in the order of the events"))
    once = HiddenField()

    def offer(self, kinds: tuple[str, ...]) -> None:
        """Offer kinds of the endpoint that only a newer release knows, too."""
        self.kinds.choices = {kind: kind for kind in (*KINDS, *kinds)}

    def show(self, endpoint: Endpoint) -> None:
        """Fill the form with an endpoint."""
        self.url.data, self.description.data = endpoint.url, endpoint.description
        self.kinds.data, self.ordered.data = list(endpoint.kinds), endpoint.ordered
        self.bucket.data, self.prefix.data = endpoint.bucket or "", endpoint.prefix or ""

    def wanted(self) -> Wanted:
        """Return the properties in the form."""
        return Wanted(
            url=(self.url.data or "").strip(),
            description=(self.description.data or "").strip(),
            kinds=tuple(self.kinds.data or ()),
            bucket=(self.bucket.data or "").strip() or None,
            prefix=self.prefix.data or None,
            ordered=bool(self.ordered.data),
        )


class ReplayForm(ConsoleForm):
    """The form of a replay; without a time, it begins with the oldest event."""

    since = DateTimeLocalField(
        lazy_gettext("Events since"), format=_FORMATS, validators=[Optional()]
    )
    zone = HiddenField(default="UTC", render_kw={"data-time-zone": ""})
    failed_only = BooleanField(lazy_gettext("Only events whose delivery has failed"))


class LogFilter(Form):
    """The filter of the log of deliveries; it changes nothing, so it needs no CSRF token."""

    state = SelectField(lazy_gettext("State"), choices=lambda: {"": gettext("all"), **states()})


def states() -> dict[str, str]:
    """Return the states of deliveries in words."""
    return {
        "open": gettext("not delivered yet"),
        "done": gettext("delivered"),
        "failed": gettext("failed"),
    }
