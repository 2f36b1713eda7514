"""The import of many people from a CSV file: shows the file first, then makes the accounts."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import msgspec
from flask import Blueprint, Response, abort, render_template, request

from wharf_console.api import users
from wharf_console.api.problems import ApiProblem, ApiUnavailable, SessionEnded
from wharf_console.api.users import NewUser
from wharf_console.context import AppContext
from wharf_console.forms.member_import import (
    COLUMNS,
    FileForm,
    Line,
    LinesForm,
    Made,
    checked,
    folded,
    lines_of,
    packed,
)
from wharf_console.forms.members import roles
from wharf_console.web import csv_files
from wharf_console.web.access import needs
from wharf_console.web.csv_files import UnreadableFile
from wharf_console.web.current import api, person
from wharf_console.web.language import gettext
from wharf_console.web.passwords import new_password
from wharf_console.web.refusals import sentence

SCOPE = "members:admin"
# The most accounts that are read to find existing names; auth refuses the other existing names.
_LOOKED_UP = 10_000
# The longest time for making accounts in one request. The gateway waits a minute for a page.
_SECONDS = 25.0
_FILE_NAME = "wharf-members.csv"
# Refusals that concern only one person; any other refusal also concerns the following people.
_OF_ONE = frozenset(("user-exists", "unprocessable"))
Page = str | tuple[str, int]


@dataclass
class Outcome:
    """The result of an import: made accounts, refused lines, and lines that were not tried.

    `reason` tells why lines were not tried.
    `is_over` means that the session has ended, so that no form of the page works any more.
    """

    made: list[Made] = field(default_factory=list)
    refused: list[Line] = field(default_factory=list)
    left: list[Line] = field(default_factory=list)
    reason: str = ""
    is_over: bool = False


def blueprint(_: AppContext) -> Blueprint:
    """Return the blueprint with the pages."""
    routes = Blueprint("member_import", __name__, url_prefix="/console/members/import")

    @routes.route("", methods=["GET", "POST"])
    @needs(SCOPE)
    def page() -> Page:
        known = LinesForm()
        if known.lines.data:
            wanted = _decoded(known)
            # The list was stored when the session ended: show it again, but do not make accounts.
            return _create(known, wanted) if request.method == "POST" else _preview(wanted)
        form = FileForm()
        if form.validate_on_submit():
            try:
                table = csv_files.read(form.file.data.read())
                return _preview(lines_of(table, form.role.data), table.note)
            except UnreadableFile as error:
                form.refuse("file", str(error))
        status = 422 if request.method == "POST" else 200
        return render_template("member_import/file.html", form=form, columns=COLUMNS), status

    @routes.post("/result")
    @needs(SCOPE)
    def result() -> Response:
        try:
            made = LinesForm().made()
        except msgspec.MsgspecError:
            abort(400)
        rows = [(one.username, one.display_name, one.role, one.password) for one in made]
        content = csv_files.written([(*COLUMNS, "password"), *rows])
        response = Response(content, content_type=csv_files.MEDIA_TYPE)
        response.headers["Content-Disposition"] = f"attachment; filename={_FILE_NAME}"
        return response

    return routes


def _decoded(form: LinesForm) -> list[Line]:
    try:
        form.made()
        return form.wanted()
    except msgspec.MsgspecError:
        abort(400)


def _preview(lines: list[Line], note: str = "") -> str:
    """Return the page that shows the accounts to make."""
    people = users.every(api(), person().tenant, at_most=_LOOKED_UP)
    found = checked(lines, {folded(one.username) for one in people})
    good = [line for line in found if not line.error]
    return render_template(
        "member_import/preview.html",
        good=good,
        wrong=[line for line in found if line.error],
        note=note,
        roles=roles(),
        packed=packed(good),
    )


def _create(form: LinesForm, wanted: list[Line]) -> Page:
    outcome = Outcome(made=form.made())
    lines = checked(wanted, ())
    outcome.refused = [line for line in lines if line.error]
    _create_each([line for line in lines if not line.error], outcome)
    return render_template(
        "member_import/result.html",
        outcome=outcome,
        roles=roles(),
        made=packed(outcome.made),
        left=packed(outcome.left),
    )


def _create_each(lines: list[Line], outcome: Outcome) -> None:
    """Make the accounts one after the other; stop at an error that concerns more than one line.

    It also stops when the time for one page is over. The outcome contains the accounts made so far,
    with their passwords. Raises `SessionEnded` if the session ended before the first account.
    """
    ends = time.monotonic() + _SECONDS
    for count, line in enumerate(lines):
        if time.monotonic() > ends:
            outcome.left = lines[count:]
            outcome.reason = gettext("So many accounts take longer than one page may.")
            return
        password = new_password()
        made = Made(line.username, line.display_name, line.role, password)
        try:
            _create_one(line, password)
        except ApiProblem as problem:
            if problem.slug in _OF_ONE:
                told = msgspec.structs.replace(line, error=sentence(problem))
                outcome.refused.append(told)
                continue
            outcome.left, outcome.reason = lines[count:], sentence(problem)
            return
        except ApiUnavailable:
            # auth may have made the account, with this password.
            outcome.made.append(msgspec.structs.replace(made, is_sure=False))
            outcome.left, outcome.reason = lines[count + 1 :], gettext("Wharf does not answer")
            return
        except SessionEnded:
            if not outcome.made:
                # The error handler stores the list for the time after the next login.
                raise
            outcome.left, outcome.is_over = lines[count:], True
            outcome.reason = gettext(
                "Your session has ended: copy the passwords from this page before you leave it."
            )
            return
        outcome.made.append(made)


def _create_one(line: Line, password: str) -> None:
    wanted = NewUser(
        username=line.username,
        display_name=line.display_name or None,
        role=line.role,
        password=password,
    )
    users.create(api(), person().tenant, wanted)
