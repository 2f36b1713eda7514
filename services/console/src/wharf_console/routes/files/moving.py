"""Moves one or several files to another folder or bucket."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, url_for
from werkzeug.wrappers import Response

from wharf_console.api import files
from wharf_console.api.files import Place
from wharf_console.api.problems import ApiProblem
from wharf_console.forms.files import MoveForm
from wharf_console.routes.files import versions
from wharf_console.routes.files.folders import as_folder, folder_of
from wharf_console.routes.files.selection import for_each, nothing_selected
from wharf_console.web import refusals
from wharf_console.web.access import needs
from wharf_console.web.bucket_choices import bucket_choices
from wharf_console.web.current import api
from wharf_console.web.language import gettext, ngettext
from wharf_console.web.targets import below_console


def add(routes: Blueprint) -> None:
    """Add the route of the form and the move."""

    @routes.post("/move")
    @needs("files:write")
    def move(bucket: str) -> Response | str | tuple[str, int]:
        form = MoveForm()
        back = below_console(form.back.data, url_for("files.listing", bucket=bucket))
        keys = form.keys()
        if not keys:
            return nothing_selected(back)
        if not form.confirmed.data:
            form.to_bucket.data, form.to_folder.data = bucket, folder_of(keys[0])
            return _page(bucket, keys, form, back)
        if not form.validate():
            return _page(bucket, keys, form, back), 422
        return _moved(bucket, keys, form, back)


def _page(bucket: str, keys: list[str], form: MoveForm, back: str) -> str:
    form.to_bucket.choices = bucket_choices(form.to_bucket.data or bucket, "write")
    return render_template(
        "files/move.html",
        bucket=bucket,
        keys=keys,
        form=form,
        back=back,
        cancel=below_console(form.cancel.data, back),
        version=versions.sent(),
    )


def _moved(
    bucket: str, keys: list[str], form: MoveForm, back: str
) -> Response | str | tuple[str, int]:
    """Move the files; if the first move is refused, return the form with the error."""
    target, folder = form.to_bucket.data, as_folder(form.to_folder.data or "")
    seen = versions.condition()

    def one(key: str) -> None:
        files.move(
            api(),
            Place(bucket, key),
            Place(target, folder + key.rpartition("/")[2]),
            on_conflict=form.on_conflict.data,
            if_match=seen,
        )

    done, refusal = for_each(keys, one)
    if versions.is_conflict(refusal):
        return versions.conflict(bucket, keys[0])
    if not done and refusal is not None:
        return _refused(bucket, keys, form, back, refusal)
    if refusal is not None:
        reason = refusals.sentence(refusal)
        flash(gettext("The rest was not moved: %(reason)s", reason=reason), "error")
    if not done:
        flash(gettext("Nothing was moved: the files or the bucket are gone."), "error")
        return redirect(back, 303)
    flash(ngettext("%(num)d file moved.", "%(num)d files moved.", done), "success")
    return redirect(url_for("files.listing", bucket=target, prefix=folder or None), 303)


def _refused(
    bucket: str, keys: list[str], form: MoveForm, back: str, refusal: ApiProblem
) -> tuple[str, int]:
    if refusal.status >= 500 or refusal.slug == "insufficient-scope":
        raise refusal
    form.form_errors = [refusals.sentence(refusal)]
    return _page(bucket, keys, form, back), refusal.status
