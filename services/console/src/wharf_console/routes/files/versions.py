"""The version of a file that a person looks at: a form carries it, and a change names it.

Where another one is there by then, the API refuses (412), and a page shows both.
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
    """What a page showed of a file; the ETag is of its content."""

    etag: str
    size: int
    created_at: datetime


def written(file: File) -> str:
    """Return a file's version as a form carries it."""
    return f"{file.etag} {file.size} {file.created_at.isoformat()}"


def sent() -> str:
    """Return what the form of this request carries; empty for any version."""
    return request.form.get("version", "")


def seen() -> Version | None:
    """Return the version that the form of this request carries; a broken one is none."""
    try:
        etag, size, moment = sent().split(" ")
        return Version(etag, int(size), datetime.fromisoformat(moment))
    except ValueError:
        return None


def condition() -> str:
    """Return the ETag for `If-Match`; empty for any version."""
    found = seen()
    return found.etag if found and found.etag.isascii() and found.etag.isprintable() else ""


def is_conflict(problem: ApiProblem | None) -> bool:
    """Whether the API refused because another version is there than the form carries."""
    return problem is not None and problem.status == 412 and bool(condition())


def conflict(bucket: str, key: str) -> tuple[str, int]:
    """Return the page that shows what was seen and what is there now, and asks again.

    The form of this request is sent again with the new version. Raises `not-found` where the file
    is gone by now.
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
