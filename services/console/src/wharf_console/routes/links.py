"""The pages that make, list and end signed links, and that show a new link with a QR code."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from wharf_console.api import links
from wharf_console.api.links import Links
from wharf_console.api.problems import ApiProblem
from wharf_console.context import AppContext
from wharf_console.forms.links import EndForm, LinkFilter, LinkForm, RevokeForm
from wharf_console.web import handed_out, paging, reaching, refusals
from wharf_console.web.access import needs
from wharf_console.web.account_names import names_of
from wharf_console.web.bucket_choices import bucket_choices
from wharf_console.web.current import api, person, user
from wharf_console.web.language import gettext
from wharf_console.web.origins import for_others
from wharf_console.web.qr_codes import svg
from wharf_console.web.targets import below_console

KIND = "links"
ROWS = 50


def blueprint(_: AppContext) -> Blueprint:
    """Return the blueprint with the pages."""
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
        return _page(form), 422 if request.method == "POST" else 200

    @routes.get("/made/<name>")
    @needs("files:read")
    def made(name: str) -> str:
        found = handed_out.find(KIND, name)
        if found is None:
            abort(404)
        address = found["url"] if "://" in found["url"] else for_others(found["url"])
        picture = svg(address, gettext("QR code with the link"))
        return render_template("links/made.html", made=found, address=address, picture=picture)

    _add_ends(routes)
    return routes


def _add_ends(routes: Blueprint) -> None:
    @routes.post("/<link>/end")
    @needs("files:read")
    def end(link: str) -> str | Response:
        form = EndForm()
        back = below_console(form.back.data, url_for("links.overview"))
        if not form.confirmed.data:
            return render_template("links/end.html", link=link, form=form, back=back)
        _end(link)
        return redirect(back, 303)

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


def _page(form: LinkForm) -> str:
    """Return the page with the form and the links that the person may see."""
    shown = LinkFilter(request.args)
    sees_all = user().may("buckets:admin") and reaching.is_everything()
    if not sees_all:
        shown.whose.data = ""
    query = shown.query()
    page, is_first = paging.at_cursor(lambda cursor: _listed(query, cursor))
    names = names_of([*(one.maker for one in page.links), query.get("whose", person().user_id)])
    shown.whose.choices = _makers(query.get("whose", ""), names)
    return render_template(
        "links/overview.html",
        form=form,
        shown=shown,
        query=query,
        page=page,
        is_first=is_first,
        sees_all=sees_all,
        names=names | {person().user_id: gettext("You")},
        made={one.get("id", ""): one["name"] for one in handed_out.all_of(KIND)},
    )


def _listed(query: dict[str, str], cursor: str) -> Links:
    """Return a page of links.

    The page is empty if the filter has a name that cannot exist, or if the API of an earlier
    release has no list of links.
    """
    try:
        return links.listed(
            api(),
            bucket=query.get("where", ""),
            key=query.get("shows", ""),
            maker=query.get("whose", ""),
            cursor=cursor,
            limit=ROWS,
        )
    except ApiProblem as problem:
        # The statuses are those of an earlier release, which may respond during an update.
        if problem.status not in {404, 405} and problem.slug != "invalid-key":
            raise
        return Links(links=())


def _makers(chosen: str, names: dict[str, str]) -> dict[str, str]:
    """Return the choices of makers: all, the person who is logged in, and the chosen maker."""
    found = {"": gettext("everybody"), person().user_id: gettext("You")}
    return found if chosen in found else {**found, chosen: names.get(chosen, chosen)}


def _end(link: str) -> None:
    """End the link and show a message; a link that has already ended is not an error."""
    try:
        links.end(api(), link)
        flash(gettext("The link has ended. Within seconds it shows nothing any more."), "success")
    except ApiProblem as problem:
        if problem.status != 404:
            raise
        flash(gettext("This link has ended already."), "info")
    handed_out.forget(KIND, id=link)


def _made(form: LinkForm) -> str | None:
    """Make the link and return its name in this session; `None` if the API refuses it."""
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
            "id": made.id,
            "url": made.url,
            "expires_at": made.expires_at.timestamp(),
            "bucket": form.bucket.data,
            "target": target,
            "is_file": not target.endswith("/"),
        },
    )


def _refuse(form: LinkForm, problem: ApiProblem) -> None:
    """Show a refusal at its field, or above the form if the tenant has reached its limit.

    Raise all other problems.
    """
    if problem.status == 404:
        form.refuse("target", gettext("There is no file of this name. A folder ends with /."))
    elif "limit_seconds" in problem.members:
        form.refuse("expires_in", refusals.sentence(problem))
    elif problem.slug in {"invalid-key", "outside-grants"}:
        form.refuse("target", refusals.sentence(problem))
    elif problem.slug == "tenant-limit-reached":
        form.form_errors = [refusals.sentence(problem)]
    else:
        raise problem
