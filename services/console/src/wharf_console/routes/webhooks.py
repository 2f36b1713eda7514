"""The pages with the list of the endpoints of webhooks, and for a new endpoint."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from wharf_console.api import webhooks
from wharf_console.api.problems import ApiProblem
from wharf_console.api.webhooks import WithSecret
from wharf_console.context import AppContext
from wharf_console.forms import named_fields
from wharf_console.forms.webhooks import FIELDS, EndpointForm
from wharf_console.web import once
from wharf_console.web.access import needs
from wharf_console.web.bucket_choices import bucket_names
from wharf_console.web.current import api
from wharf_console.web.language import gettext

SCOPE = "webhooks:admin"


def blueprint(_: AppContext) -> Blueprint:
    """Return the blueprint with the pages."""
    routes = Blueprint("webhooks", __name__, url_prefix="/console/webhooks")

    @routes.get("")
    @needs(SCOPE)
    def overview() -> str:
        return render_template("webhooks/list.html", endpoints=webhooks.listed(api()))

    @routes.route("/new", methods=["GET", "POST"])
    @needs(SCOPE)
    def new() -> str | Response | tuple[str, int]:
        form = EndpointForm(once=once.new_mark())
        if request.method == "POST" and once.is_done(form.once.data):
            flash(gettext("This endpoint was made already, and its secret shown once."), "error")
            return redirect(url_for("webhooks.overview"), 303)
        if form.validate_on_submit():
            made = _create(form)
            if made is not None:
                once.done(form.once.data)
                return secret_page(made), 201
        page = render_template("webhooks/new.html", form=form, buckets=bucket_names())
        return page, 422 if request.method == "POST" else 200

    return routes


def secret_page(made: WithSecret) -> str:
    """Return the page that shows the secret.

    The response to the POST is the page itself: a redirect would have to store the secret until the
    next request.
    """
    return render_template("webhooks/secret.html", endpoint=made.endpoint, secret=made.secret)


def _create(form: EndpointForm) -> WithSecret | None:
    try:
        return webhooks.create(api(), form.wanted())
    except ApiProblem as problem:
        named_fields.show(form, problem, FIELDS)
        return None
