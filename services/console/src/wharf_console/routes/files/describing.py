"""Changes the details of a file: name of the download, expiry and metadata."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import datetime

import msgspec
from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from msgspec import UNSET, UnsetType
from werkzeug.wrappers import Response

from wharf_console.api import files
from wharf_console.api.files import Change, File
from wharf_console.api.problems import ApiProblem
from wharf_console.forms.files import DescriptionForm
from wharf_console.web import refusals
from wharf_console.web.access import needs
from wharf_console.web.current import api
from wharf_console.web.language import gettext
from wharf_console.web.zones import in_utc

Pairs = list[tuple[str, str]]
_EMPTY_ROWS = 2


def add(routes: Blueprint) -> None:
    """Add the route of the form and the change."""

    @routes.route("/describe/<path:key>", methods=["GET", "POST"])
    @needs("files:write")
    def describe(bucket: str, key: str) -> Response | str | tuple[str, int]:
        form = DescriptionForm()
        file = files.read(api(), bucket, key)
        if request.method == "GET":
            if form.seen.data:
                return _page(file, form, form.pairs())  # typed before the session ended
            form.filename.data, form.seen.data = file.filename, _digest(file)
            return _page(file, form, [*file.metadata.items()])
        if form.more.data:
            return _page(file, form, form.pairs())
        if not form.validate() or not _is_right(form):
            return _page(file, form, form.pairs()), 422
        if form.seen.data != _digest(file):
            # The page shows the new details, so the person has seen them when the form is sent
            # again.
            g.outcome, form.seen.data = "precondition-failed", _digest(file)
            return _page(file, form, form.pairs(), is_conflict=True), 412
        return _change(file, form)


def _change(file: File, form: DescriptionForm) -> Response | tuple[str, int]:
    wanted = Change(
        filename=form.filename.data or UNSET, metadata=dict(form.pairs()), expires_at=_expiry(form)
    )
    try:
        files.change(api(), file.bucket, file.key, wanted, if_match=file.etag)
    except ApiProblem as problem:
        if problem.status not in {400, 415, 422}:
            raise
        form.form_errors = [refusals.sentence(problem)]
        return _page(file, form, form.pairs()), problem.status
    flash(gettext("The details are saved."), "success")
    return redirect(url_for("files.details", bucket=file.bucket, key=file.key), 303)


def _page(file: File, form: DescriptionForm, pairs: Pairs, *, is_conflict: bool = False) -> str:
    rows = [*pairs, *[("", "")] * _EMPTY_ROWS]
    return render_template(
        "files/describe.html", file=file, form=form, rows=rows, is_conflict=is_conflict
    )


def _is_right(form: DescriptionForm) -> bool:
    """Tell whether the form is valid; if not, set its errors."""
    wrong: list[str] = []
    if form.expiry.data == "at" and form.expires_at.data is None:
        form.refuse("expires_at", gettext("Enter the time."))
    names = [name for name, _ in form.pairs()]
    if "" in names:
        wrong.append(gettext("A value has no name."))
    wrong += [
        gettext("The name “%(name)s” is there twice.", name=name)
        for name, count in Counter(names).items()
        if name and count > 1
    ]
    form.form_errors = wrong
    return not wrong and not form.expires_at.errors


def _expiry(form: DescriptionForm) -> datetime | UnsetType | None:
    """Return when the file expires: `None` for never, `UNSET` for no change.

    The form has the time in the person's time zone.
    """
    moment = form.expires_at.data
    if form.expiry.data == "never":
        return None
    if form.expiry.data == "keep" or moment is None:
        return UNSET
    return in_utc(moment, form.zone.data or "")


def _digest(file: File) -> str:
    """Return a digest of the file's details, which shows whether they were changed."""
    noted = (file.id, file.filename, sorted(file.metadata.items()), file.expires_at)
    return hashlib.sha256(msgspec.json.encode(noted)).hexdigest()
