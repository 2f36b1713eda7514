"""Shows a refusal of the API at the field of a form that caused it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from wharf_console.api.problems import ApiProblem
from wharf_console.forms.base import ConsoleForm
from wharf_console.web.refusals import sentence

# The statuses that a person can correct in the form; other refusals have separate pages.
_ABOUT_VALUES = frozenset((400, 409, 413, 422))


def show(
    form: ConsoleForm, problem: ApiProblem, fields: Mapping[str, str], otherwise: str = ""
) -> None:
    """Show the refusal at the first field with a pattern that matches the problem.

    A pattern is searched in the problem's slug and detail. If no pattern matches, show the refusal
    at the field `otherwise`, or else at the whole form. Raise the problem if it is not about typed
    values.
    """
    if problem.status not in _ABOUT_VALUES:
        raise problem
    told = f"{problem.slug} {problem.detail}"
    named = (field for field, pattern in fields.items() if re.search(pattern, told))
    field = next(named, otherwise)
    if field:
        form.refuse(field, sentence(problem))
    else:
        form.form_errors = [*form.form_errors, sentence(problem)]
