"""What is done with several files: one after the other, and told as a whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from flask import flash, redirect
from werkzeug.wrappers import Response

from wharf_console.api.problems import ApiProblem
from wharf_console.web.language import gettext


class Outcome(NamedTuple):
    """How many files it was done with, and the refusal that ended it, if any."""

    done: int
    refusal: ApiProblem | None = None


def for_each(keys: Sequence[str], act: Callable[[str], object]) -> Outcome:
    """Do something with each file, up to the first refusal; files that are gone are left out."""
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
    """Lead back, and say what is missing."""
    flash(gettext("Select the files first."), "error")
    return redirect(back, 303)
