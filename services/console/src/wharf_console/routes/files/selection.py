"""Actions on several files, one after the other, with one message for all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from flask import flash, redirect
from werkzeug.wrappers import Response

from wharf_console.api.problems import ApiProblem
from wharf_console.web.language import gettext


class Outcome(NamedTuple):
    """The number of processed files, and the refusal that ended the action, or `None`."""

    done: int
    refusal: ApiProblem | None = None


def for_each(keys: Sequence[str], act: Callable[[str], object]) -> Outcome:
    """Apply an action to each file up to the first refusal; skip files that were deleted."""
    done = 0
    for key in keys:
        try:
            act(key)
        except ApiProblem as problem:
            if problem.status == 404:
                continue
            return Outcome(done, problem)
        done += 1
    return Outcome(done)


def nothing_selected(back: str) -> Response:
    """Redirect back with a message that no file was selected."""
    flash(gettext("Select the files first."), "error")
    return redirect(back, 303)
