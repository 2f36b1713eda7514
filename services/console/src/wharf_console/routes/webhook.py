"""The pages of one endpoint of webhooks: its state, its log, its changes and its deliveries."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from msgspec import UNSET
from werkzeug.wrappers import Response

from wharf_console.api import webhooks
from wharf_console.api.problems import ApiProblem
from wharf_console.api.webhooks import Deliveries, Endpoint, WantedReplay
from wharf_console.context import AppContext
from wharf_console.forms import named_fields
from wharf_console.forms.webhooks import FIELDS, EndpointForm, LogFilter, ReplayForm, states
from wharf_console.routes.webhooks import secret_page
from wharf_console.web import once, questions, refusals
from wharf_console.web.access import needs
from wharf_console.web.bucket_choices import bucket_names
from wharf_console.web.current import api
from wharf_console.web.language import gettext
from wharf_console.web.zones import in_utc

SCOPE = "webhooks:admin"
Page = str | Response | tuple[str, int]
ROWS = 25
# The cursor that stands for the beginning of all events.
_BEGINNING = "0"


def blueprint(_: AppContext) -> Blueprint:
    """Return the blueprint with the pages."""
    routes = Blueprint("webhook", __name__, url_prefix="/console/webhooks/<hook>")
    _add_page(routes)
    _add_states(routes)
    _add_questions(routes)
    _add_deliveries(routes)
    return routes


def _add_page(routes: Blueprint) -> None:
    @routes.get("")
    @needs(SCOPE)
    def page(hook: str) -> str:
        found, shown = webhooks.read(api(), hook), LogFilter(request.args)
        state = shown.state.data if shown.state.data in states() else ""
        cursor = request.args.get("cursor", "")
        return render_template(
            "webhooks/endpoint.html",
            endpoint=found,
            shown=shown,
            state=state,
            states=states(),
            log=_log(hook, state, cursor),
            is_first=not cursor,
        )

    @routes.route("/change", methods=["GET", "POST"])
    @needs(SCOPE)
    def change(hook: str) -> Page:
        found, form = webhooks.read(api(), hook), EndpointForm()
        form.offer(found.kinds)
        if request.method == "GET" and not form.url.data:
            form.show(found)
        if form.validate_on_submit() and _change(hook, form):
            flash(gettext("The change is saved."), "success")
            return _back(hook)
        page = render_template(
            "webhooks/change.html", endpoint=found, form=form, buckets=bucket_names()
        )
        return page, 422 if request.method == "POST" else 200

    @routes.route("/replay", methods=["GET", "POST"])
    @needs(SCOPE)
    def replay(hook: str) -> Page:
        found, form = webhooks.read(api(), hook), ReplayForm()
        if form.validate_on_submit() and _replay(hook, form):
            flash(gettext("The replay has begun. This page shows how far it is."), "success")
            return _back(hook)
        page = render_template("webhooks/replay.html", endpoint=found, form=form)
        return page, 422 if request.method == "POST" else 200


def _add_states(routes: Blueprint) -> None:
    @routes.post("/pause")
    @needs(SCOPE)
    def pause(hook: str) -> Page:
        webhooks.pause(api(), hook, paused=True)
        flash(gettext("The endpoint is paused; events wait until it continues."), "success")
        return _back(hook)

    @routes.post("/continue")
    @needs(SCOPE)
    def go_on(hook: str) -> Page:
        webhooks.pause(api(), hook, paused=False)
        flash(gettext("The endpoint continues."), "success")
        return _back(hook)

    @routes.post("/enable")
    @needs(SCOPE)
    def enable(hook: str) -> Page:
        from_now = request.form.get("from") == "now"
        webhooks.enable(api(), hook, from_now=from_now)
        flash(gettext("The endpoint is enabled again."), "success")
        return _back(hook)


def _add_questions(routes: Blueprint) -> None:
    @routes.route("/rotate", methods=["GET", "POST"])
    @needs(SCOPE)
    def rotate(hook: str) -> Page:
        if request.method == "POST":
            return _rotated(hook)
        found = webhooks.read(api(), hook)
        return questions.ask(
            gettext("Make a new secret?"),
            [
                found.url,
                gettext("For 24 hours, Wharf signs with the old secret, too."),
                gettext("Give the receiver the new secret within this time."),
            ],
            gettext("Make a new secret"),
            _address(found),
            fields=[("once", once.new_mark())],
        )

    @routes.route("/delete", methods=["GET", "POST"])
    @needs(SCOPE)
    def delete(hook: str) -> Page:
        if request.method == "POST":
            webhooks.delete(api(), hook)
            flash(gettext("The endpoint is deleted."), "success")
            return redirect(url_for("webhooks.overview"), 303)
        found = webhooks.read(api(), hook)
        return questions.ask(
            gettext("Delete this endpoint?"),
            [
                found.url,
                gettext("It receives no more events. Its log of deliveries is deleted, too."),
            ],
            gettext("Delete the endpoint"),
            _address(found),
        )


def _add_deliveries(routes: Blueprint) -> None:
    @routes.post("/test")
    @needs(SCOPE)
    def test(hook: str) -> Page:
        sent = webhooks.test(api(), hook)
        flash(gettext("The test is on its way. This page shows its result."), "success")
        return redirect(url_for("webhook.delivery", hook=hook, name=sent.id), 303)

    @routes.get("/deliveries/<name>")
    @needs(SCOPE)
    def delivery(hook: str, name: str) -> str:
        found = webhooks.read(api(), hook)
        one = webhooks.delivery(api(), hook, name)
        return render_template(
            "webhooks/delivery.html", endpoint=found, delivery=one, states=states()
        )

    @routes.post("/deliveries/<name>/retry")
    @needs(SCOPE)
    def retry(hook: str, name: str) -> Page:
        webhooks.retry(api(), hook, name)
        flash(gettext("The event is delivered again. This page shows the result."), "success")
        return redirect(url_for("webhook.delivery", hook=hook, name=name), 303)


def _address(endpoint: Endpoint) -> str:
    return url_for("webhook.page", hook=endpoint.id)


def _back(hook: str) -> Response:
    return redirect(url_for("webhook.page", hook=hook), 303)


def _log(hook: str, state: str, cursor: str) -> Deliveries:
    """Return a page of deliveries; the first page if the cursor is not valid."""
    try:
        return webhooks.deliveries(api(), hook, state=state, cursor=cursor, limit=ROWS)
    except ApiProblem as problem:
        if not cursor or problem.slug not in {"malformed-request", "event-cursor-expired"}:
            raise
        return webhooks.deliveries(api(), hook, state=state, limit=ROWS)


def _change(hook: str, form: EndpointForm) -> bool:
    try:
        webhooks.change(api(), hook, form.wanted())
    except ApiProblem as problem:
        named_fields.show(form, problem, FIELDS)
        return False
    return True


def _rotated(hook: str) -> Page:
    """Replace the secret once: a second time would end the secret that the receiver has."""
    mark = request.form.get("once")
    if once.is_done(mark):
        flash(gettext("The new secret was made already, and shown once."), "error")
        return _back(hook)
    shown = secret_page(webhooks.rotate(api(), hook))
    once.done(mark)
    return shown, 201


def _replay(hook: str, form: ReplayForm) -> bool:
    moment = form.since.data
    wanted = WantedReplay(
        after=_BEGINNING if moment is None else UNSET,
        since=UNSET if moment is None else in_utc(moment, form.zone.data or ""),
        failed_only=bool(form.failed_only.data),
    )
    try:
        webhooks.replay(api(), hook, wanted)
    except ApiProblem as problem:
        if problem.slug != "replay-under-way":
            raise
        form.form_errors = [refusals.sentence(problem)]
        return False
    return True
