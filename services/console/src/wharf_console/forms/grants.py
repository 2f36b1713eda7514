"""The part of a form with grants: no limit, or rows with buckets and prefixes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from msgspec import UNSET, UnsetType
from wtforms import BooleanField, RadioField, SelectMultipleField
from wtforms.validators import Optional

from servicekit.grants import ACTIONS, EVERY_BUCKET, Action, Grant, GrantError, checked
from wharf_console.api.problems import ApiProblem
from wharf_console.forms.base import ConsoleForm
from wharf_console.web.language import gettext, lazy_gettext
from wharf_console.web.reaching import actions_told
from wharf_console.web.refusals import with_detail

_EMPTY_ROWS = 2
# The number of a grant in auth's error messages, from 0.
_ENTRY = re.compile(r"\bgrants\[(\d+)\]: ")


class Row(NamedTuple):
    """A row as it was typed; `error` describes what is wrong with it."""

    bucket: str = ""
    prefix: str = ""
    actions: tuple[Action, ...] = ACTIONS
    error: str = ""


class GrantsForm(ConsoleForm):
    """A form with grants. `more` requests further rows.

    The values of the boxes for actions contain the number of their row, such as `0.read`, because a
    browser sends only boxes that are ticked.
    """

    reach = RadioField(
        lazy_gettext("What is reached"),
        choices=lambda: {
            "everything": gettext("Everything that the rights allow"),
            "places": gettext("Only these places"),
        },
        validators=[Optional()],
    )
    buckets = SelectMultipleField(name="bucket", validate_choice=False)
    prefixes = SelectMultipleField(name="prefix", validate_choice=False)
    actions = SelectMultipleField(name="action", validate_choice=False)
    more = BooleanField()

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._wrong: dict[int, list[str]] = {}

    def show(self, grants: Iterable[Grant] | None) -> None:
        """Fill the form with existing grants."""
        self.reach.data = "everything" if grants is None else "places"
        kept = list(grants or ())
        self.buckets.data = [one.bucket for one in kept]
        self.prefixes.data = [one.prefix for one in kept]
        self.actions.data = [f"{at}.{it}" for at, one in enumerate(kept) for it in one.actions]

    def rows(self) -> list[Row]:
        """Return the rows that were filled in, each with its error."""
        return [
            row._replace(error=" ".join(self._wrong.get(at, ())))
            for at, row in enumerate(self._typed_rows())
        ]

    def shown_rows(self) -> list[Row]:
        """Return the rows for the page, with empty rows at the end."""
        return [*self.rows(), *[Row()] * _EMPTY_ROWS]

    def grants(self) -> tuple[Grant, ...] | UnsetType | None:
        """Return the chosen grants: `None` for no limit, `UNSET` if nothing was chosen."""
        if self.reach.data != "places":
            return None if self.reach.data == "everything" else UNSET
        return tuple(
            Grant(row.bucket, tuple(it for it in ACTIONS if it in row.actions), row.prefix)
            for row in self._typed_rows()
        )

    def are_right(self) -> bool:
        """Tell whether the grants are valid; if not, set the errors of the rows."""
        for at, row in enumerate(self._typed_rows() if self.reach.data == "places" else ()):
            if not row.bucket:
                self._refuse_row(at, gettext("Enter a bucket, or * for all."))
            if not row.actions:
                self._refuse_row(at, gettext("Choose at least one."))
        if self._wrong:
            return False
        try:
            checked(tuple(self.grants() or ()))
        except GrantError as error:
            self._refuse_entry(str(error))
            return False
        return True

    def refuse_grants(self, problem: ApiProblem) -> bool:
        """Show a refusal of auth at the row that it names; tell whether it names one."""
        if problem.slug != "unprocessable" or not _ENTRY.search(problem.detail):
            return False
        self._refuse_entry(problem.detail)
        return True

    def _refuse_entry(self, told: str) -> None:
        found = _ENTRY.search(told)
        words = with_detail(gettext("A value is not acceptable"), _ENTRY.sub("", told))
        if found and int(found[1]) < len(self._typed_rows()):
            self._refuse_row(int(found[1]), words)
        else:
            self.form_errors.append(words)

    def _refuse_row(self, at: int, words: str) -> None:
        self._wrong.setdefault(at, []).append(words)

    def _typed_rows(self) -> list[Row]:
        """Return the rows that are not empty."""
        ticked = set(self.actions.data or ())
        typed = zip(self.buckets.data or (), self.prefixes.data or (), strict=False)
        return [
            Row(bucket.strip(), prefix, tuple(it for it in ACTIONS if f"{at}.{it}" in ticked))
            for at, (bucket, prefix) in enumerate(typed)
            if bucket.strip() or prefix
        ]


def places_told(grants: Iterable[Grant]) -> list[tuple[str, str, str]]:
    """Return bucket, prefix and described actions of each grant."""
    words = actions_told()
    return [
        (
            gettext("all buckets") if one.bucket == EVERY_BUCKET else one.bucket,
            one.prefix,
            gettext(", ").join(words[action] for action in one.actions),
        )
        for one in grants
    ]
