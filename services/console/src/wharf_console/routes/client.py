"""The pages of one client: its scopes and grants, its secrets, and how to disable it."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from wharf_console.api import clients
from wharf_console.api.clients import Client
from wharf_console.api.problems import ApiProblem
from wharf_console.context import AppContext
from wharf_console.forms.clients import ClientForm, scopes_told
from wharf_console.forms.grants import places_told
from wharf_console.routes.clients import refuse, wanted
from wharf_console.web import questions, refusals
from wharf_console.web.access import needs
from wharf_console.web.bucket_choices import bucket_names
from wharf_console.web.current import api, person
from wharf_console.web.language import gettext

SCOPE = "members:admin"
Page = str | Response | tuple[str, int]
# auth's limit of secrets.
_MAX_SECRETS = 2


def blueprint(_: AppContext) -> Blueprint:
    """Return the blueprint with the pages."""
    routes = Blueprint("client", __name__, url_prefix="/console/clients/<client_id>")
    _add_secrets(routes)
    _add_changing(routes)
    return routes


def _add_changing(routes: Blueprint) -> None:
    @routes.get("")
    @needs(SCOPE)
    def page(client_id: str) -> str:
        found = _find(client_id)
        secrets = clients.secrets(api(), person().tenant, client_id)
        return render_template(
            "clients/client.html",
            client=found,
            secrets=secrets,
            scopes=scopes_told(),
            may_add=len(secrets) < _MAX_SECRETS,
            places=None if found.grants is None else places_told(found.grants),
        )

    @routes.route("/disable", methods=["GET", "POST"])
    @needs(SCOPE)
    def disable(client_id: str) -> Page:
        found = _find(client_id)
        address = url_for("client.page", client_id=client_id)
        if request.method == "POST":
            clients.disable(api(), person().tenant, client_id)
            flash(gettext("The client is disabled; its tokens end within seconds."), "success")
            return redirect(address, 303)
        return questions.ask(
            gettext("Disable the client %(name)s?", name=found.name),
            [gettext("Programs that use it are refused within seconds. It is for good.")],
            gettext("Disable the client"),
            address,
        )

    @routes.route("/change", methods=["GET", "POST"])
    @needs(SCOPE)
    def change(client_id: str) -> Page:
        found, form = _find(client_id), ClientForm()
        # Operators may have given the client other scopes.
        form.scopes.choices = {one: one for one in found.scopes} | scopes_told()
        if request.method == "GET" and not form.reach.data:
            form.name.data, form.scopes.data = found.name, list(found.scopes)
            form.show(found.grants)
        if form.more.data:
            return _form_page(found, form)
        if form.validate_on_submit() and form.are_right() and _change(client_id, form):
            flash(gettext("The change is saved; it holds within seconds."), "success")
            return redirect(url_for("client.page", client_id=client_id), 303)
        return _form_page(found, form), 422 if request.method == "POST" else 200


def _add_secrets(routes: Blueprint) -> None:
    @routes.post("/secrets")
    @needs(SCOPE)
    def add_secret(client_id: str) -> Page:
        found = _find(client_id)
        try:
            made = clients.add_secret(api(), person().tenant, client_id)
        except ApiProblem as problem:
            if problem.status != 409:
                raise
            flash(refusals.sentence(problem), "error")
            return redirect(url_for("client.page", client_id=client_id), 303)
        # Respond with the page itself: a redirect would have to store the secret until the next
        # request.
        shown = render_template("clients/secret.html", client=found, secret=made.client_secret)
        return shown, 201

    @routes.route("/secrets/<secret_id>/retire", methods=["GET", "POST"])
    @needs(SCOPE)
    def retire(client_id: str, secret_id: str) -> Page:
        address = url_for("client.page", client_id=client_id)
        if request.method == "POST":
            clients.retire_secret(api(), person().tenant, client_id, secret_id)
            flash(gettext("The secret is of no use any more."), "success")
            return redirect(address, 303)
        secrets = clients.secrets(api(), person().tenant, client_id)
        hint = next((one.hint for one in secrets if one.secret_id == secret_id), None)
        if hint is None:
            abort(404)
        sentences = [gettext("Programs that still use it get no more tokens.")]
        if len(secrets) == 1:
            sentences.append(gettext("It is the only one: the client cannot log in after that."))
        return questions.ask(
            gettext("Retire the secret that ends with %(hint)s?", hint=hint),
            sentences,
            gettext("Retire the secret"),
            address,
        )


def _find(client_id: str) -> Client:
    return clients.read(api(), person().tenant, client_id)


def _form_page(found: Client, form: ClientForm) -> str:
    buckets = bucket_names()
    return render_template("clients/change.html", client=found, form=form, buckets=buckets)


def _change(client_id: str, form: ClientForm) -> bool:
    try:
        clients.change(api(), person().tenant, client_id, wanted(form))
    except ApiProblem as problem:
        refuse(form, problem)
        return False
    return True
