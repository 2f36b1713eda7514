"""The pages with the list of the tenant's clients, and for a new client."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from wharf_console.api import clients
from wharf_console.api.clients import NewClient, Wanted
from wharf_console.api.problems import ApiProblem
from wharf_console.context import AppContext
from wharf_console.forms import named_fields
from wharf_console.forms.clients import FIELDS, ClientForm, NewClientForm, scopes_told
from wharf_console.web import once, paging
from wharf_console.web.access import needs
from wharf_console.web.bucket_choices import bucket_names
from wharf_console.web.current import api, person
from wharf_console.web.language import gettext

SCOPE = "members:admin"
ROWS = 100


def blueprint(_: AppContext) -> Blueprint:
    """Return the blueprint with the pages."""
    routes = Blueprint("clients", __name__, url_prefix="/console/clients")

    @routes.get("")
    @needs(SCOPE)
    def overview() -> str:
        page, is_first = paging.at_cursor(
            lambda cursor: clients.listed(api(), person().tenant, cursor=cursor, limit=ROWS)
        )
        return render_template(
            "clients/list.html", page=page, is_first=is_first, scopes=scopes_told()
        )

    @routes.route("/new", methods=["GET", "POST"])
    @needs(SCOPE)
    def new() -> str | Response | tuple[str, int]:
        form = NewClientForm(once=once.new_mark())
        if request.method == "GET" and not form.reach.data:
            form.show(None)
        if request.method == "POST" and once.is_done(form.once.data):
            flash(gettext("This client was made already, and its secret shown once."), "error")
            return redirect(url_for("clients.overview"), 303)
        if form.more.data:
            return _page(form)
        if form.validate_on_submit() and form.are_right():
            made = _create(form)
            if made is not None:
                once.done(form.once.data)
                # Respond with the page itself: a redirect would have to store the secret until the
                # next request.
                page = render_template(
                    "clients/secret.html", client=made, secret=made.client_secret
                )
                return page, 201
        return _page(form), 422 if request.method == "POST" else 200

    return routes


def _page(form: NewClientForm) -> str:
    return render_template("clients/new.html", form=form, buckets=bucket_names())


def _create(form: NewClientForm) -> NewClient | None:
    try:
        return clients.create(api(), person().tenant, wanted(form))
    except ApiProblem as problem:
        refuse(form, problem)
        return None


def wanted(form: ClientForm) -> Wanted:
    """Return the client in the form."""
    return Wanted(
        name=(form.name.data or "").strip(),
        scopes=tuple(form.scopes.data or ()),
        grants=form.grants(),
    )


def refuse(form: ClientForm, problem: ApiProblem) -> None:
    """Show a refusal at the field or row that it is about."""
    if not form.refuse_grants(problem):
        named_fields.show(form, problem, FIELDS)
