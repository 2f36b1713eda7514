"""Renames a file in its folder: moves it to another key and changes nothing else."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from wharf_console.api import files
from wharf_console.api.files import Place
from wharf_console.api.problems import ApiProblem
from wharf_console.forms.files import RenameForm
from wharf_console.routes.files import versions
from wharf_console.routes.files.folders import folder_of
from wharf_console.web import refusals
from wharf_console.web.access import needs
from wharf_console.web.current import api
from wharf_console.web.language import gettext

_ABOUT_NAMES = frozenset((400, 409, 413, 415, 422))


def add(routes: Blueprint) -> None:
    """Add the route of the form and the move."""

    @routes.route("/rename/<path:key>", methods=["GET", "POST"])
    @needs("files:write")
    def rename(bucket: str, key: str) -> Response | str | tuple[str, int]:
        form = RenameForm()
        if request.method == "GET":
            file = files.read(api(), bucket, key)
            form.name.data = form.name.data or file.name
            form.version.data = versions.written(file)
            return _page(bucket, key, form)
        if not form.validate():
            return _page(bucket, key, form), 422
        to = folder_of(key) + (form.name.data or "").strip().lstrip("/")
        if to == key:
            return redirect(url_for("files.details", bucket=bucket, key=key), 303)
        try:
            file = files.move(
                api(), Place(bucket, key), Place(bucket, to), if_match=versions.condition()
            )
        except ApiProblem as problem:
            if versions.is_conflict(problem):
                return versions.conflict(bucket, key)
            if problem.status not in _ABOUT_NAMES and problem.slug != "outside-grants":
                raise
            form.refuse("name", refusals.sentence(problem))
            return _page(bucket, key, form), problem.status
        flash(gettext("The file has its new name."), "success")
        return redirect(url_for("files.details", bucket=bucket, key=file.key), 303)


def _page(bucket: str, key: str, form: RenameForm) -> str:
    return render_template("files/rename.html", bucket=bucket, key=key, form=form)
