"""The version of a file that a page shows: its form contains the version, and a change requires it.

If the file now has another version, the API refuses the change with 412, and the console shows a
page with both versions.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from flask import g, render_template, request

from wharf_console.api import files
from wharf_console.api.files import File
from wharf_console.api.problems import ApiProblem
from wharf_console.web.current import api


class Version(NamedTuple):
    """The version of a file on a page; the ETag identifies the content."""

    etag: str
    size: int
    created_at: datetime


def written(file: File) -> str:
    """Return a file's version as text for a form."""
    return f"{file.etag} {file.size} {file.created_at.isoformat()}"


def sent() -> str:
    """Return the version as text from the form of this request; empty if any version is right."""
    return request.form.get("version", "")


def seen() -> Version | None:
    """Return the version in the form of this request; `None` if it is missing or malformed."""
    try:
        etag, size, moment = sent().split(" ")
        return Version(etag, int(size), datetime.fromisoformat(moment))
    except ValueError:
        return None


def condition() -> str:
    """Return the ETag for `If-Match`; an empty text if the form names no valid version."""
    found = seen()
    return found.etag if found and found.etag.isascii() and found.etag.isprintable() else ""


def is_conflict(problem: ApiProblem | None) -> bool:
    """Tell whether the API refused because the file differs from the version in the form."""
    return problem is not None and problem.status == 412 and bool(condition())


def conflict(bucket: str, key: str) -> tuple[str, int]:
    """Return the page that shows the seen and the present version and asks again.

    The form of the page sends the fields of this request with the present version. Raises the
    problem `not-found` if the file was deleted.
    """
    g.outcome = "precondition-failed"
    file = files.read(api(), bucket, key)
    again = [
        (name, value)
        for name, values in request.form.lists()
        for value in values
        if name not in {"csrf_token", "version"}
    ]
    page = render_template(
        "files/conflict.html",
        bucket=bucket,
        file=file,
        seen=seen(),
        again=again,
        version=written(file),
    )
    return page, 412
