"""The pages that list and make tickets for guests, and that show a ticket with a QR code.

The pages call these tickets invitations.
"""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from wharf_console.api import buckets, tickets
from wharf_console.api.problems import ApiProblem
from wharf_console.context import AppContext
from wharf_console.forms.tickets import TicketForm
from wharf_console.web import durations, handed_out, refusals
from wharf_console.web.access import needs
from wharf_console.web.bucket_choices import bucket_choices
from wharf_console.web.current import api
from wharf_console.web.durations import DAY, HOUR, MINUTE
from wharf_console.web.language import gettext
from wharf_console.web.origins import for_others, here_absolute
from wharf_console.web.qr_codes import svg

KIND = "tickets"
_TIMES = (15 * MINUTE, HOUR, 8 * HOUR, DAY)
# Texts in auth's error messages, and the fields at which the messages are shown. Other messages are
# shown at the whole form.
_FIELDS = (("expires_in", "expires_in"), ("media type", "types"), ("No file is", "types"))


def blueprint(context: AppContext) -> Blueprint:
    """Return the blueprint with the pages."""
    routes = Blueprint("tickets", __name__, url_prefix="/console")

    @routes.get("/tickets")
    @needs("files:write")
    def overview() -> str:
        return render_template("tickets/overview.html", made=handed_out.all_of(KIND))

    @routes.route("/tickets/new", methods=["GET", "POST"])
    @needs("files:write")
    def new() -> Response | tuple[str, int]:
        asked = {name: request.args.get(name) for name in ("bucket", "prefix")}
        # Pass them as `data`, because `prefix` is also an argument of the form.
        form = TicketForm(data=asked)
        form.expires_in.choices = durations.choices(
            _TIMES, most=context.settings.ticket_ttl_seconds
        )
        form.bucket.choices = bucket_choices(form.bucket.data, "write")
        if request.method == "GET" and not form.expires_in.data:
            form.expires_in.data = str(min(HOUR, context.settings.ticket_ttl_seconds))
        if form.validate_on_submit() and (name := _made(context, form)):
            flash(gettext("The invitation is made. Send its address to your guest."), "success")
            return redirect(url_for("tickets.made", name=name), 303)
        status = 422 if request.method == "POST" else 200
        return render_template("tickets/new.html", form=form), status

    @routes.get("/tickets/made/<name>")
    @needs("files:write")
    def made(name: str) -> str:
        found = handed_out.find(KIND, name)
        if found is None:
            abort(404)
        address = for_others(url_for("guests.drop", ticket=found["ticket"]))
        picture = svg(address, gettext("QR code with the address for your guest"))
        return render_template("tickets/made.html", made=found, address=address, picture=picture)

    return routes


def _made(context: AppContext, form: TicketForm) -> str | None:
    """Make the ticket and return its name in this session; `None` if auth refuses it."""
    seconds = int(form.expires_in.data)
    place = form.place(here_absolute(url_for("guests.sent")))
    try:
        buckets.read(api(), place.bucket)
        made = tickets.make(api(), place, seconds=seconds)
    except ApiProblem as problem:
        _refuse(form, problem)
        return None
    return handed_out.keep(
        KIND,
        {
            "ticket": made.access_token,
            "expires_at": context.clock() + made.expires_in,
            "bucket": place.bucket,
            "target": place.key or place.prefix or "",
            "is_file": place.key is not None,
            "max_files": form.max_files.data,
        },
    )


def _refuse(form: TicketForm, problem: ApiProblem) -> None:
    """Show a refusal at the field that it is about; raise a problem with the status 429 or 5xx."""
    if problem.status >= 500 or problem.status == 429:
        raise problem
    if problem.status == 404:
        form.refuse("bucket", gettext("There is no such bucket."))
        return
    if "grants" in problem.detail:
        form.refuse("prefix", gettext("This is outside of what you reach"))
        return
    for words, field in _FIELDS:
        if words in problem.detail:
            form.refuse(field, refusals.sentence(problem))
            return
    form.form_errors = [refusals.sentence(problem)]
