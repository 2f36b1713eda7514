"""The account of the person who is logged in: password, sessions, language and colours."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from wharf_console.api import accounts
from wharf_console.api.problems import ApiProblem
from wharf_console.context import AppContext
from wharf_console.forms import named_fields
from wharf_console.forms.account import FIELDS, PasswordForm, SessionForm
from wharf_console.forms.grants import places_told
from wharf_console.forms.members import roles
from wharf_console.web import browsers, paging, reaching
from wharf_console.web.current import api, person
from wharf_console.web.language import gettext, ngettext

ROWS = 100
# After this number of ended sessions, one click ends only the rest of the page of the API.
_ENDED = 1000


def blueprint(_: AppContext) -> Blueprint:
    """Return the blueprint with the pages."""
    routes = Blueprint("account", __name__, url_prefix="/console/account")

    @routes.route("", methods=["GET", "POST"])
    def overview() -> Response | tuple[str, int]:
        form = PasswordForm()
        status = 200
        if request.method == "POST":
            status = _change_password(form) if form.validate() else 422
        if status == 303:
            flash(gettext("The password is changed. Other sessions have ended."), "success")
            return redirect(url_for("account.overview"), 303)
        listed, is_first = paging.at_cursor(
            lambda cursor: accounts.sessions(api(), cursor=cursor, limit=ROWS)
        )
        page = render_template(
            "account/account.html",
            form=form,
            page=listed,
            is_first=is_first,
            places=None if (grants := reaching.grants()) is None else places_told(grants),
            role=roles().get(person().role, person().role),
            browser_told=browsers.told,
        )
        return page, status

    _add_sessions(routes)
    return routes


def _add_sessions(routes: Blueprint) -> None:
    @routes.post("/sessions/end")
    def end_session() -> Response:
        try:
            accounts.end_session(api(), SessionForm().session.data or "none")
        except ApiProblem as problem:
            # The session may have ended between the page and the click.
            if problem.status != 404:
                raise
        flash(gettext("The session ends within seconds."), "success")
        return redirect(url_for("account.overview"), 303)

    @routes.post("/sessions/end-others")
    def end_others() -> Response:
        count = _end_others()
        told = ngettext(
            "%(num)d other session ends within seconds.",
            "%(num)d other sessions end within seconds.",
            count,
        )
        flash(told if count else gettext("There was no other session."), "success")
        return redirect(url_for("account.overview"), 303)


def _change_password(form: PasswordForm) -> int:
    """Change the password; return the status of the page, which is 303 after success."""
    try:
        accounts.change_password(
            api(), form.current_password.data or "", form.new_password.data or ""
        )
    except ApiProblem as problem:
        if problem.status == 429:
            seconds = problem.retry_after or 60
            told = ngettext(
                "Too many wrong passwords. Try again in %(num)d second.",
                "Too many wrong passwords. Try again in %(num)d seconds.",
                seconds,
            )
            form.form_errors = [told]
            return 429
        if problem.slug == "forbidden":
            form.refuse("current_password", gettext("This is not your password."))
        else:
            named_fields.show(form, problem, FIELDS)
        return 422
    return 303


def _end_others() -> int:
    """End the other sessions of the person, or about `_ENDED` of them; return their number."""
    count, cursor = 0, ""
    while count < _ENDED:
        page = accounts.sessions(api(), cursor=cursor, limit=ROWS)
        for one in page.sessions:
            if not one.current:
                accounts.end_session(api(), one.session_id)
                count += 1
        if not page.next_cursor:
            break
        cursor = page.next_cursor
    return count
