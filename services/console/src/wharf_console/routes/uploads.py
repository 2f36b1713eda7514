"""The page that lists uploads under way with their progress, and that can cancel an upload."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, url_for
from werkzeug.wrappers import Response

from wharf_console.api import uploads
from wharf_console.api.problems import ApiProblem
from wharf_console.api.uploads import Upload
from wharf_console.context import AppContext
from wharf_console.forms.uploads import CancelForm
from wharf_console.web import paging
from wharf_console.web.access import needs
from wharf_console.web.account_names import names_of
from wharf_console.web.current import api, person, user
from wharf_console.web.language import gettext
from wharf_console.web.targets import below_console

ROWS = 100


def blueprint(context: AppContext) -> Blueprint:
    """Return the blueprint with the pages."""
    routes = Blueprint("uploads", __name__, url_prefix="/console/uploads")

    @routes.get("")
    @needs("files:write")
    def overview() -> str:
        page, is_first = paging.at_cursor(
            lambda cursor: uploads.listed(api(), cursor=cursor, limit=ROWS)
        )
        return render_template(
            "uploads/overview.html",
            page=page,
            is_first=is_first,
            now=context.clock(),
            me=person().user_id,
            names=names_of(upload.subject for upload in page.uploads),
            may_cancel=_may_cancel,
        )

    @routes.post("/<upload>/cancel")
    @needs("files:write")
    def cancel(upload: str) -> str | Response:
        form = CancelForm()
        back = below_console(form.back.data, url_for("uploads.overview"))
        if not form.confirmed.data:
            return render_template("uploads/cancel.html", upload=upload, form=form, back=back)
        try:
            uploads.cancel(api(), upload, subject=form.subject.data or person().user_id)
            flash(gettext("The upload is cancelled."), "success")
        except ApiProblem as problem:
            if problem.status not in {404, 410}:
                raise
            flash(gettext("This upload has ended already."), "info")
        return redirect(back, 303)

    return routes


def _may_cancel(upload: Upload) -> bool:
    is_own = upload.subject == person().user_id
    return upload.links.upload is not None and (is_own or user().may("buckets:admin"))
