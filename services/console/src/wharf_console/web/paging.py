"""The page of a list at the cursor in the address."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from flask import request

from wharf_console.api.problems import ApiProblem

Page = TypeVar("Page")


def at_cursor(read: Callable[[str], Page]) -> tuple[Page, bool]:
    """Return the page at the cursor of the address, and whether it is the first page.

    `read` returns the page at a cursor. If the API refuses the cursor, return the first page: a
    person has changed the address.
    """
    if cursor := request.args.get("cursor", ""):
        try:
            return read(cursor), False
        except ApiProblem as problem:
            if problem.slug != "malformed-request":
                raise
    return read(""), True
