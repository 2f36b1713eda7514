"""Shows a refusal of the API at the field of a form that it is about."""

from __future__ import annotations

import re
from collections.abc import Mapping

from wharf_console.api.problems import ApiProblem
from wharf_console.forms.base import ConsoleForm
from wharf_console.web.refusals import sentence

# What a person can mend in the form; every other refusal has a page of its own.
_ABOUT_VALUES = frozenset((400, 409, 413, 422))


def show(
    form: ConsoleForm, problem: ApiProblem, fields: Mapping[str, str], otherwise: str = ""
) -> None:
    """Show the refusal at the first field whose pattern is found in its slug or detail.

    Without one it is shown at `otherwise`, or else at the whole form. Raises the problem itself
    where it is not about what was typed.
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
