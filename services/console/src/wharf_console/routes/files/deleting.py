"""Deletes one or several files after a confirmation."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, url_for
from werkzeug.wrappers import Response

from wharf_console.api import files
from wharf_console.forms.files import SelectionForm
from wharf_console.routes.files import versions
from wharf_console.routes.files.selection import Outcome, for_each, nothing_selected
from wharf_console.web import refusals
from wharf_console.web.access import needs
from wharf_console.web.current import api
from wharf_console.web.language import gettext, ngettext
from wharf_console.web.targets import below_console


def add(routes: Blueprint) -> None:
    """Add the route of the confirmation and the deletion."""

    @routes.post("/delete")
    @needs("files:delete")
    def delete(bucket: str) -> Response | str | tuple[str, int]:
        form = SelectionForm()
        back = below_console(form.back.data, url_for("files.listing", bucket=bucket))
        keys = form.keys()
        if not keys:
            return nothing_selected(back)
        if not form.confirmed.data:
            return render_template(
                "files/delete.html",
                bucket=bucket,
                keys=keys,
                back=back,
                cancel=below_console(form.cancel.data, back),
                version=versions.sent(),
            )
        seen = versions.condition()
        outcome = for_each(keys, lambda key: files.delete(api(), bucket, key, if_match=seen))
        if versions.is_conflict(outcome.refusal):
            return versions.conflict(bucket, keys[0])
        _tell(outcome)
        return redirect(back, 303)


def _tell(outcome: Outcome) -> None:
    done, refusal = outcome
    if done:
        flash(ngettext("%(num)d file deleted.", "%(num)d files deleted.", done), "success")
    if refusal is not None:
        reason = refusals.sentence(refusal)
        flash(gettext("The rest was not deleted: %(reason)s", reason=reason), "error")
    elif not done:
        flash(gettext("There was nothing left to delete."), "info")
