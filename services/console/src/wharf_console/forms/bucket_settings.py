"""The form of a bucket's policy."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import msgspec
from wtforms import BooleanField, HiddenField, SelectField, StringField
from wtforms.validators import DataRequired, NumberRange, Optional, Regexp, ValidationError

from wharf_console.api.buckets import Bucket, Policy
from wharf_console.forms.base import ConsoleForm
from wharf_console.forms.lists import ListField, WholeNumberField, in_all, in_unit
from wharf_console.web.language import gettext, lazy_gettext

BYTES = {"bytes": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 24 * 3600}
#: Patterns that find the field that a refusal of the API is about.
FIELDS = {
    "name": r"^invalid-key",
    "types": r"\ballowed_types\b",
    "extensions": r"\ballowed_extensions\b",
    "origins": r"\bcors_origins\b",
    "largest": r"\bmax_file_bytes\b",
    "expiry": r"\bexpire_after_seconds\b",
}
# The rules of the API. The API decides; the form checks them to show an error earlier and in the
# person's language.
_NAME = re.compile(r"\s*[a-z0-9][a-z0-9-]{1,61}[a-z0-9]\s*\Z")
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/(?:\*|[a-z0-9!#$&^_.+-]+)", re.IGNORECASE)
_EXTENSION = re.compile(r"\.?[a-z0-9][a-z0-9_+-]*(?:\.[a-z0-9][a-z0-9_+-]*)*", re.IGNORECASE)
_ORIGIN = re.compile(r"\*|https?://[^/?#@\s]+", re.IGNORECASE)
_AT_LEAST_ONE = lazy_gettext("Enter 1 or more, or nothing.")
_RULE = lazy_gettext(
    "Use 3 to 63 of the small letters a to z, digits and hyphens, with no hyphen at either end."
)


def _wrong(texts: tuple[str, ...] | None, rule: re.Pattern[str]) -> list[str]:
    """Return the texts that violate the rule, shortened for the error message."""
    return [text[:80] for text in texts or () if not rule.fullmatch(text)]


def _units_of_time() -> dict[str, str]:
    return {
        "seconds": gettext("seconds"),
        "minutes": gettext("minutes"),
        "hours": gettext("hours"),
        "days": gettext("days"),
    }


def _units_of_size() -> dict[str, str]:
    return {name: gettext("bytes") if name == "bytes" else name for name in BYTES}


class PolicyForm(ConsoleForm):
    """The form of a bucket's policy.

    `seen` identifies the policy that the person saw. `confirmed` means that the person confirmed
    that the bucket becomes public.
    """

    types = ListField(lazy_gettext("Types that are taken"))
    extensions = ListField(lazy_gettext("Extensions that are taken"))
    largest = WholeNumberField(
        lazy_gettext("Largest file"),
        validators=[Optional(), NumberRange(min=1, message=_AT_LEAST_ONE)],
    )
    largest_unit = SelectField(
        lazy_gettext("Unit of the largest file"), choices=_units_of_size, default="MB"
    )
    expiry = WholeNumberField(
        lazy_gettext("Files are deleted after"),
        validators=[Optional(), NumberRange(min=1, message=_AT_LEAST_ONE)],
    )
    expiry_unit = SelectField(
        lazy_gettext("Unit of this time"), choices=_units_of_time, default="days"
    )
    origins = ListField(lazy_gettext("Origins of other web pages"))
    public = BooleanField(lazy_gettext("Everybody may read the files, without a login"))
    seen = HiddenField()
    confirmed = HiddenField()

    def validate_types(self, field: Any) -> None:
        """Refuse a text that is not a media type."""
        for text in _wrong(field.data, _TYPE):
            words = gettext("“%(text)s” is no type. Write it like image/png or image/*.", text=text)
            raise ValidationError(words)

    def validate_extensions(self, field: Any) -> None:
        """Refuse a text that is not an extension; accept `*.jpg`."""
        field.data = tuple(text.removeprefix("*") for text in field.data or ())
        for text in _wrong(field.data, _EXTENSION):
            words = gettext("“%(text)s” is no extension. Write it like jpg or tar.gz.", text=text)
            raise ValidationError(words)

    def validate_origins(self, field: Any) -> None:
        """Refuse a text that is neither an origin nor `*`."""
        for text in _wrong(field.data, _ORIGIN):
            words = gettext(
                "“%(text)s” is no address of a site. Write it like https://app.example,"
                " with nothing behind the name.",
                text=text,
            )
            raise ValidationError(words)

    def policy(self) -> Policy:
        """Return the typed values as a policy for the API."""
        return Policy(
            public=self.public.data,
            max_file_bytes=in_all(self.largest.data, self.largest_unit.data, BYTES),
            allowed_types=self.types.data or (),
            allowed_extensions=self.extensions.data or (),
            expire_after_seconds=in_all(self.expiry.data, self.expiry_unit.data, SECONDS),
            cors_origins=self.origins.data or (),
        )


class NewBucketForm(PolicyForm):
    """The form of a new bucket."""

    name = StringField(
        lazy_gettext("Name"),
        validators=[DataRequired(lazy_gettext("Enter a name.")), Regexp(_NAME, message=_RULE)],
        render_kw={"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"},
    )


def filled(bucket: Bucket) -> dict[str, Any]:
    """Return the values of the form's fields for the bucket's policy."""
    largest, largest_unit = in_unit(bucket.max_file_bytes, BYTES)
    expiry, expiry_unit = in_unit(bucket.expire_after_seconds, SECONDS)
    return {
        "types": bucket.allowed_types,
        "extensions": bucket.allowed_extensions,
        "largest": largest,
        "largest_unit": largest_unit or "MB",
        "expiry": expiry,
        "expiry_unit": expiry_unit or "days",
        "origins": bucket.cors_origins,
        "public": bucket.public,
        "seen": mark_of(bucket),
    }


def mark_of(bucket: Bucket) -> str:
    """Return a digest of the bucket's policy."""
    policy = msgspec.convert(bucket, Policy, from_attributes=True)
    return hashlib.sha256(msgspec.json.encode(policy)).hexdigest()[:32]
