"""The upload page, which works without scripts, and the tickets for scripts."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from wharf_console.api import buckets, tickets
from wharf_console.api.tickets import MadeTicket, Place
from wharf_console.context import AppContext
from wharf_console.forms.tickets import ScriptTicketForm, as_folder
from wharf_console.routes.files.folders import folders_above
from wharf_console.web import arrivals, headers, reaching
from wharf_console.web.access import needs
from wharf_console.web.current import api
from wharf_console.web.errors import page as error_page
from wharf_console.web.language import gettext
from wharf_console.web.origins import here_absolute

# Long enough to choose files, and too short to be useful to a person who finds the ticket later.
TICKET_SECONDS = 15 * 60
TICKET_FILES = 100
# auth's limit for addresses in tickets.
_MAX_REDIRECT_CHARACTERS = 2000


def blueprint(_: AppContext) -> Blueprint:
    """Return the blueprint with the pages."""
    routes = Blueprint("uploading", __name__, url_prefix="/console")

    @routes.get("/b/<bucket>/upload")
    @needs("files:write")
    def page(bucket: str) -> str:
        prefix = as_folder(request.args.get("prefix"))
        found = buckets.read(api(), bucket)
        reaching.require_below("write", bucket, prefix)
        mark = arrivals.new_mark()
        address = _address_afterwards(found.name, prefix, mark)
        ticket = _made(found.name, prefix, address).access_token
        arrivals.watch(mark, ticket)
        # Without scripts, the page of a refusal has a link back to this page.
        headers.name_this_page()
        return render_template(
            "uploading/upload.html",
            bucket=found,
            prefix=prefix,
            above=folders_above(prefix),
            ticket=ticket,
            rules=tickets.rules(api().transport, ticket),
        )

    @routes.get("/b/<bucket>/uploaded")
    @needs("files:write")
    def uploaded(bucket: str) -> Response:
        # The API redirects a browser here after it has stored all files of the form. Refusals also
        # lead here if the browser does not send the address of the form's page.
        arrived = arrivals.since_told(request.args.get("form"))
        if arrived is not None:
            flash(*_told(arrived))
        prefix = as_folder(request.args.get("prefix")) or None
        return redirect(url_for("files.listing", bucket=bucket, prefix=prefix), 303)

    @routes.post("/tickets")
    @needs("files:write")
    def ticket() -> Response | tuple[dict[str, Any], int]:
        form = ScriptTicketForm()
        if form.validate():
            return _for_script(form.bucket.data or "", form.prefix.data or ""), 201
        text = gettext("Send bucket and prefix.")
        return error_page(422, gettext("A value is not acceptable"), text)

    return routes


def _made(bucket: str, prefix: str, *redirect: str) -> MadeTicket:
    place = Place(
        bucket=bucket,
        prefix=prefix,
        max_files=TICKET_FILES,
        redirect=redirect,
        # `POST` is the method of forms, and of the creation of resumable uploads.
        methods=("POST",),
    )
    return tickets.make(api(), place, seconds=TICKET_SECONDS)


def _for_script(bucket: str, prefix: str) -> dict[str, Any]:
    """Return a ticket in the format for the scripts of pages (`static/src/README.md`)."""
    made = _made(bucket, prefix)
    return {
        "ticket": made.access_token,
        "expires_in": made.expires_in,
        "max_files": TICKET_FILES,
    }


def _told(arrived: int) -> tuple[str, str]:
    if arrived > 0:
        return gettext("Your files are uploaded."), "success"
    return gettext("No new file has arrived."), "warning"


def _address_afterwards(bucket: str, prefix: str, mark: str) -> str:
    """Return the address to which the API redirects after a plain form."""
    whole = here_absolute(
        url_for("uploading.uploaded", bucket=bucket, prefix=prefix or None, form=mark)
    )
    if len(whole) <= _MAX_REDIRECT_CHARACTERS:
        return whole
    return here_absolute(url_for("uploading.uploaded", bucket=bucket, form=mark))
