"""Signed links: made, shown with a QR code, and revoked all together."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from wharf_console.api import links
from wharf_console.api.problems import ApiProblem
from wharf_console.context import AppContext
from wharf_console.forms.links import LinkForm, RevokeForm
from wharf_console.web import handed_out, refusals
from wharf_console.web.access import needs
from wharf_console.web.bucket_choices import bucket_choices
from wharf_console.web.current import api
from wharf_console.web.language import gettext
from wharf_console.web.origins import for_others
from wharf_console.web.qr_codes import svg

KIND = "links"


def blueprint(_: AppContext) -> Blueprint:
    """The pages."""
    routes = Blueprint("links", __name__, url_prefix="/console/links")

    @routes.route("", methods=["GET", "POST"])
    @needs("files:read")
    def overview() -> Response | tuple[str, int]:
        asked = request.args
        form = LinkForm(
            bucket=asked.get("bucket"), target=asked.get("key") or asked.get("prefix") or ""
        )
        form.bucket.choices = bucket_choices(form.bucket.data, "read")
        if form.validate_on_submit() and (name := _made(form)):
            return redirect(url_for("links.made", name=name), 303)
        status = 422 if request.method == "POST" else 200
        kept = handed_out.all_of(KIND)
        return render_template("links/overview.html", form=form, made=kept), status

    @routes.get("/made/<name>")
    @needs("files:read")
    def made(name: str) -> str:
        found = handed_out.find(KIND, name)
        if found is None:
            abort(404)
        address = found["url"] if "://" in found["url"] else for_others(found["url"])
        picture = svg(address, gettext("QR code with the link"))
        return render_template("links/made.html", made=found, address=address, picture=picture)

    @routes.route("/revoke", methods=["GET", "POST"])
    @needs("buckets:admin")
    def revoke() -> str | Response:
        form = RevokeForm()
        if not (form.validate_on_submit() and form.confirmed.data):
            return render_template("links/revoke.html")
        links.revoke_all(api())
        handed_out.forget(KIND)
        flash(gettext("No link that was made so far is good any more."), "success")
        return redirect(url_for("links.overview"), 303)

    return routes


def _made(form: LinkForm) -> str | None:
    """Make the link and return its name in this session; `None` where it is refused."""
    target = form.target.data or ""
    try:
        made = links.make(
            api(),
            form.bucket.data,
            target,
            seconds=int(form.expires_in.data),
            disposition=form.disposition.data,
        )
    except ApiProblem as problem:
        _refuse(form, problem)
        return None
    return handed_out.keep(
        KIND,
        {
            "url": made.url,
            "expires_at": made.expires_at.timestamp(),
            "bucket": form.bucket.data,
            "target": target,
            "is_file": not target.endswith("/"),
        },
    )


def _refuse(form: LinkForm, problem: ApiProblem) -> None:
    """Show a refusal at the field that it is about."""
    if problem.status == 404:
        form.refuse("target", gettext("There is no file of this name. A folder ends with /."))
    elif "limit_seconds" in problem.members:
        form.refuse("expires_in", refusals.sentence(problem))
    elif problem.slug in {"invalid-key", "outside-grants"}:
        form.refuse("target", refusals.sentence(problem))
    else:
        raise problem
