"""The login, the logout, and the choice of language and theme."""

from __future__ import annotations

import contextlib

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from wharf_console.api import accounts
from wharf_console.api.problems import ApiError, ApiProblem
from wharf_console.api.session import Session
from wharf_console.context import AppContext
from wharf_console.forms.session import LoginForm, PreferencesForm
from wharf_console.metrics import LOGINS
from wharf_console.sessions import cookies, login_manager
from wharf_console.sessions.interface import LOGGED_IN
from wharf_console.sessions.records import RecordBusy
from wharf_console.web import kept_forms, language, refusals, theme
from wharf_console.web.access import open_to_all
from wharf_console.web.current import nobody
from wharf_console.web.language import gettext
from wharf_console.web.remembered import remember
from wharf_console.web.targets import below_console


class _Fresh:
    """The token source of a login that has no record yet."""

    def __init__(self, token: str) -> None:
        self._token = token

    def current(self) -> str:
        """Return the token."""
        return self._token

    def after(self, refused: str) -> str:
        """Return the same token, because it is only seconds old."""
        return refused


def blueprint(context: AppContext) -> Blueprint:
    """Return the blueprint with the pages."""
    routes = Blueprint("session", __name__, url_prefix="/console")
    is_https = context.settings.is_https

    @routes.route("/login", methods=["GET", "POST"])
    @open_to_all("the person is not logged in yet")
    def login() -> Response | tuple[str, int]:
        target = below_console(request.values.get("next"))
        if current_user.is_authenticated:
            return redirect(target, 303)
        form = LoginForm(next=target)
        kept = cookies.is_kept(request, is_https=is_https)
        status = 200
        if kept and form.validate_on_submit():
            refusal = _log_in(context, form)
            if refusal is None:
                return redirect(target, 303)
            form.form_errors, status = [_words(refusal)], refusal.status
        elif request.method == "POST":
            status = 422
        return render_template("session/login.html", form=form, cookie_is_kept=kept), status

    @routes.post("/logout")
    @open_to_all("a person whose session has ended gets the same page")
    def logout() -> Response:
        _log_out(context)
        flash(gettext("You are logged out."), "success")
        response = redirect(url_for("session.login"), 303)
        # The queue of uploads stores files in the browser.
        response.headers["Clear-Site-Data"] = '"storage"'
        return response

    @routes.post("/preferences")
    @open_to_all("the login page also has the choice of languages")
    def preferences() -> Response:
        form = PreferencesForm()
        response = redirect(below_console(form.next.data), 303)
        if form.validate():
            remember(response, language.COOKIE, form.language.data)
            remember(response, theme.COOKIE, form.theme.data)
        return response

    return routes


def _log_in(context: AppContext, form: LoginForm) -> ApiProblem | None:
    """Log the person in; return the refusal of auth, if any."""
    fields = (form.tenant.data, form.username.data, form.password.data)
    tenant, username, password = (text or "" for text in fields)
    try:
        granted = accounts.log_in(nobody(), tenant.strip(), username.strip(), password)
        me = accounts.me(Session(nobody().transport, _Fresh(granted.access_token)))
    except ApiProblem as problem:
        if problem.status >= 500:
            raise
        LOGINS.labels("refused").inc()
        return problem
    LOGINS.labels("ok").inc()
    typed = kept_forms.carried()
    login_manager.begin(context.stores.records, me, granted, context.clock())
    kept_forms.put(typed)
    return None


def _words(problem: ApiProblem) -> str:
    """Return a sentence about a refused login, with the time to wait."""
    known = {
        "login-refused": gettext("Tenant, name or password is wrong."),
        "tenant-suspended": gettext("The tenant is suspended."),
    }
    if problem.status == 429:
        seconds = problem.retry_after or 60
        return language.ngettext(
            "Too many failed logins. Try again in %(num)d second.",
            "Too many failed logins. Try again in %(num)d seconds.",
            seconds,
        )
    return known.get(problem.slug) or refusals.sentence(problem)


def _log_out(context: AppContext) -> None:
    """End the session in the console, and at auth if auth can be reached."""
    records = context.stores.records
    record_id = session.get(LOGGED_IN)
    if record_id:
        record = records.read(record_id)
        # The lock keeps a running refresh from writing the record again. The logout continues if
        # the lock is busy, or if too many requests wait for auth.
        waiting = context.bulkhead.auth.one
        with contextlib.suppress(RecordBusy, ApiError), waiting(), records.locked(record_id):
            record = records.read(record_id)
            records.delete(record_id)
        if record is not None:
            # If auth cannot be reached, its session ends later. The console's session has already
            # ended.
            with contextlib.suppress(ApiError):
                accounts.log_out(nobody(), record.refresh_token)
    login_manager.forget(records)
