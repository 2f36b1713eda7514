"""The pages of guests, who have a ticket and no account."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from flask import Blueprint, render_template, session, url_for

from wharf_console.api import tickets
from wharf_console.api.problems import ApiProblem, SessionEnded
from wharf_console.api.tickets import TicketRules
from wharf_console.context import AppContext
from wharf_console.web import arrivals, headers
from wharf_console.web.access import open_to_all
from wharf_console.web.current import nobody

# The characters and the longest length of a token (`servicekit.tokens.MAX_TOKEN_BYTES`).
_TICKET = re.compile(r"[A-Za-z0-9._-]{1,8192}")
# The last page of this browser: its ticket, and the number of files at that time.
_SEEN = "guests_page"
# A guest's page loads only the console's own files: a guest sees no contents of files.
_GUESTS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types wharf; "
    f"report-uri {headers.REPORTS}"
)


def blueprint(_: AppContext) -> Blueprint:
    """Return the blueprint with the pages."""
    routes = Blueprint("guests", __name__, url_prefix="/console/drop")

    @routes.get("/<ticket>")
    @open_to_all("a guest has a ticket, and no account")
    def drop(ticket: str) -> tuple[str, int]:
        headers.replace_policy(_GUESTS_POLICY)
        if not _TICKET.fullmatch(ticket):
            return _closed("unknown")
        try:
            rules = tickets.rules(nobody().transport, ticket)
        except SessionEnded as refusal:
            # A ticket with one of these errors was valid once. Any other refused text was never a
            # ticket.
            ended = str(refusal) in {"token-expired", "token-revoked"}
            return _closed("expired" if ended else "unknown")
        except ApiProblem as problem:
            if problem.status in {403, 404}:
                return _closed("unknown")
            raise
        if rules.left == 0:
            return _closed("used_up", rules)
        headers.name_this_page()
        seen = {"ticket": ticket, "files": rules.files}
        if session.get(_SEEN) != seen:
            session[_SEEN] = seen
        # The browser stores this digest, and not the ticket, as the owner of its queue of uploads.
        owner = hashlib.sha256(ticket.encode()).hexdigest()[:16]
        page = render_template("guests/drop.html", ticket=ticket, rules=rules, owner=owner)
        return page, 200

    @routes.get("/sent")
    @open_to_all("the API redirects guests here after the form of their page")
    def sent() -> str:
        headers.replace_policy(_GUESTS_POLICY)
        seen = session.get(_SEEN)
        arrived = _arrived(seen) if seen else None
        back = url_for("guests.drop", ticket=seen["ticket"]) if seen else ""
        return render_template("guests/sent.html", back=back, arrived=arrived)

    return routes


def _closed(why: str, rules: TicketRules | None = None) -> tuple[str, int]:
    status = 404 if why == "unknown" else 410
    return render_template("guests/closed.html", why=why, rules=rules), status


def _arrived(seen: dict[str, Any]) -> int | None:
    """Return how many files have arrived since this browser saw its page; `None` if not known.

    Refusals also redirect here if the browser does not send the address of the form's page.
    """
    files = arrivals.of_ticket(seen["ticket"])
    return None if files is None else max(0, files - int(seen["files"]))
