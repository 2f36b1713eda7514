"""Makes signed links to one or several files."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from flask import Blueprint, render_template, url_for
from werkzeug.wrappers import Response

from wharf_console.api import links
from wharf_console.api.problems import ApiProblem
from wharf_console.forms.files import LinksForm
from wharf_console.routes.files.selection import nothing_selected
from wharf_console.web import origins, qr_codes, refusals
from wharf_console.web.access import needs
from wharf_console.web.current import api
from wharf_console.web.language import gettext
from wharf_console.web.targets import below_console


class Made(NamedTuple):
    """A link to a file."""

    key: str
    url: str
    expires_at: datetime


def add(routes: Blueprint) -> None:
    """Add the route of the form and the links."""

    @routes.post("/links", endpoint="links")
    @needs("files:read")
    def make_links(bucket: str) -> Response | str | tuple[str, int]:
        form = LinksForm()
        back = below_console(form.back.data, url_for("files.listing", bucket=bucket))
        keys = form.keys()
        if not keys:
            return nothing_selected(back)
        if not form.confirmed.data:
            return _page(bucket, form)
        if not form.validate():
            return _page(bucket, form), 422
        try:
            made = _made(bucket, keys, form)
        except ApiProblem as problem:
            if problem.status not in {409, 422}:
                raise
            form.form_errors = [refusals.sentence(problem)]
            return _page(bucket, form), 422
        # Respond with the page itself: a redirect would have to store the links until the next
        # request.
        one = made[0].url if len(made) == 1 else ""
        return render_template(
            "files/links_made.html",
            bucket=bucket,
            made=made,
            picture=qr_codes.svg(one, gettext("The link as a QR code")) if one else "",
            back=below_console(form.cancel.data, back),
        )


def _page(bucket: str, form: LinksForm) -> str:
    back = below_console(form.back.data, url_for("files.listing", bucket=bucket))
    return render_template(
        "files/link.html",
        bucket=bucket,
        keys=form.keys(),
        form=form,
        back=back,
        cancel=below_console(form.cancel.data, back),
    )


def _made(bucket: str, keys: list[str], form: LinksForm) -> list[Made]:
    """Make and return the links. If several files are selected, skip those that were deleted."""
    found = []
    seconds, disposition = form.seconds.data, form.disposition.data
    for key in keys:
        try:
            link = links.make(api(), bucket, key, seconds=seconds, disposition=disposition)
        except ApiProblem as problem:
            if problem.status != 404 or len(keys) == 1:
                raise
            continue
        url = origins.for_others(link.url) if link.url.startswith("/") else link.url
        found.append(Made(key, url, link.expires_at))
    return found
