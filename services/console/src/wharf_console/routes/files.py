"""The files of a bucket: the list, and what is done with several of them."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from wharf_console.api import buckets, files
from wharf_console.api.problems import ApiProblem
from wharf_console.context import AppContext
from wharf_console.forms.files import SelectionForm
from wharf_console.web import refusals
from wharf_console.web.access import needs
from wharf_console.web.current import api
from wharf_console.web.language import gettext, ngettext
from wharf_console.web.targets import below_console

ROWS = 100


def blueprint(_: AppContext) -> Blueprint:
    """The pages."""
    routes = Blueprint("files", __name__, url_prefix="/console/b/<bucket>")

    @routes.get("/")
    @needs("files:read")
    def listing(bucket: str) -> str:
        prefix, cursor = request.args.get("prefix", ""), request.args.get("cursor", "")
        found = buckets.read(api(), bucket)
        page = files.listed(api(), bucket, prefix=prefix, cursor=cursor, limit=ROWS)
        return render_template(
            "files/listing.html",
            bucket=found,
            page=page,
            prefix=prefix,
            folder=folder_of(prefix),
            above=folders_above(prefix),
            is_first=not cursor,
        )

    @routes.post("/delete")
    @needs("files:delete")
    def delete(bucket: str) -> str | Response:
        form = SelectionForm()
        back = below_console(form.back.data, url_for("files.listing", bucket=bucket))
        keys = list(dict.fromkeys(form.key.data or ()))[:ROWS]
        if not keys:
            flash(gettext("Select the files first."), "error")
            return redirect(back, 303)
        if not form.confirmed.data:
            return render_template("files/delete.html", bucket=bucket, keys=keys, back=back)
        _delete_all(bucket, keys)
        return redirect(back, 303)

    return routes


def folder_of(prefix: str) -> str:
    """Return the folder in which names are filtered: the prefix up to its last slash."""
    return prefix[: prefix.rfind("/") + 1]


def folders_above(prefix: str) -> list[tuple[str, str]]:
    """Return name and prefix of each folder on the way to a prefix's own."""
    names = folder_of(prefix).split("/")[:-1]
    return [(name, "/".join(names[: count + 1]) + "/") for count, name in enumerate(names)]


def _delete_all(bucket: str, keys: list[str]) -> None:
    """Delete the files; those that are gone already are what was wanted."""
    done, refusal = 0, None
    for key in keys:
        try:
            files.delete(api(), bucket, key)
        except ApiProblem as problem:
            if problem.status == 404:
                continue
            refusal = problem
            break
        done += 1
    if done:
        flash(ngettext("%(num)d file deleted.", "%(num)d files deleted.", done), "success")
    if refusal is not None:
        reason = refusals.sentence(refusal)
        flash(gettext("The rest was not deleted: %(reason)s", reason=reason), "error")
