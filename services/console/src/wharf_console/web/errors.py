"""The error pages: each names the error and the next step."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from flask import (
    Flask,
    Response,
    current_app,
    flash,
    g,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask_login import current_user
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, InternalServerError
from werkzeug.wrappers import Response as AnyResponse

from servicekit.problems import ProblemError
from servicekit.web import request_id
from wharf_console.api.problems import ApiProblem, ApiUnavailable, SessionEnded
from wharf_console.metrics import API_FAILURES
from wharf_console.sessions import login_manager
from wharf_console.sessions.interface import LOGGED_IN
from wharf_console.web import kept_forms, refusals, theme
from wharf_console.web.access import RoleMissing, role_of
from wharf_console.web.current import context
from wharf_console.web.language import gettext, html_tag
from wharf_console.web.reaching import OutsideGrants
from wharf_console.web.request_checks import CrossSite
from wharf_console.web.targets import here

log = logging.getLogger(__name__)
# Problems of the API with numbers about a limit.
_LIMITS = frozenset(("tenant-quota-exceeded", "storage-full"))


def install(app: Flask, away: tuple[type[Exception], ...]) -> None:
    """Render every exception as a page; `away` are the exceptions of an unavailable store."""
    handlers: tuple[tuple[type[Exception], Callable[[Any], AnyResponse]], ...] = (
        (SessionEnded, _session_ended),
        (ApiUnavailable, _unavailable),
        (ApiProblem, _problem),
        (ProblemError, _own_problem),
        (RoleMissing, _role_missing),
        (OutsideGrants, _outside_grants),
        (CrossSite, _cross_site),
        (CSRFError, _stale_form),
        (HTTPException, _http),
        *((kind, _sessions_away) for kind in away),
        (Exception, _unexpected),
    )
    for kind, handler in handlers:
        app.register_error_handler(kind, handler)


def page(status: int, title: str, text: str, template: str = "error", **values: Any) -> Response:
    """Return an error page, or a document for a script; `template` is one of `templates/errors`."""
    g.setdefault("request_id", request_id(request.environ))
    values.setdefault("request_id", g.request_id)
    if for_script():
        return _document(status, title, text, values)
    body = render_template(
        f"errors/{template}.html", title=title, text=text, status=status, **values
    )
    response = make_response(body, status)
    if values.get("retry_after"):
        response.headers["Retry-After"] = str(values["retry_after"])
    return response


def for_script() -> bool:
    """Tell whether a script sent the request, which gets problems as documents (RFC 9457)."""
    accepted = request.accept_mimetypes
    return accepted["application/json"] > accepted["text/html"]


def _document(status: int, title: str, text: str, values: dict[str, Any]) -> Response:
    document = {"title": title, "status": status, "detail": text}
    document["request_id"] = values["request_id"]
    response = make_response(document, status)
    response.content_type = "application/problem+json"
    if values.get("retry_after"):
        response.headers["Retry-After"] = str(values["retry_after"])
    return response


def _session_ended(_: Exception) -> AnyResponse:
    """Redirect to the login, which leads back to this page; store the typed text.

    A script gets a document with the status 401.
    """
    if for_script():
        return page(
            401, gettext("Session ended"), gettext("Your session has ended. Log in to go on.")
        )
    if LOGGED_IN in session:
        typed = (
            kept_forms.kept(current_user.person.user_id) if current_user.is_authenticated else None
        )
        login_manager.forget(context().stores.records)
        kept_forms.put(typed)
        flash(gettext("Your session has ended. Log in to go on."), "info")
    return redirect(url_for("session.login", next=here()), 303)


def _unavailable(error: ApiUnavailable) -> Response:
    log.warning("the API does not respond: %s", error)
    API_FAILURES.inc()
    g.outcome = "api-unavailable"
    text = gettext("The service behind these pages is down or busy. Nothing was lost.")
    if request.method == "POST":
        # The request may have arrived, and only its response was lost.
        text = gettext(
            "There was no answer. Look whether your change was made before you try again."
        )
    title = gettext("Wharf does not answer")
    return page(503, title, text, "unavailable", retry_after=error.retry_after)


def _problem(problem: ApiProblem) -> Response:
    """Return the page of a refusal that no view has handled."""
    g.outcome = problem.slug or "api-problem"
    over = problem.slug in _LIMITS
    if (problem.status >= 500 and not over) or problem.status == 429:
        return page(
            503 if problem.status >= 500 else 429,
            refusals.title(problem),
            problem.detail,
            "unavailable",
            retry_after=problem.retry_after or 5,
            request_id=problem.request_id or g.get("request_id"),
        )
    if made := _PAGES.get(problem.slug) or _PAGES.get(str(problem.status)):
        return made(problem)
    template = "over_quota" if over else "error"
    title = refusals.title(problem)
    return page(problem.status, title, problem.detail, template, members=problem.members)


def _scope_missing(problem: ApiProblem) -> Response:
    return _role_missing(RoleMissing(str(problem.members.get("required_scope", ""))))


def _suspended(_: ApiProblem) -> Response:
    text = gettext("Nothing of this tenant is served at present. Ask the operator of the service.")
    return page(403, gettext("The tenant is suspended"), text)


def _changed(_: ApiProblem) -> Response:
    text = gettext("Somebody else has changed this meanwhile. Look at it again, then decide.")
    return page(412, gettext("Changed meanwhile"), text)


def _own_problem(error: ProblemError) -> Response:
    """Return the page of a problem from servicekit's routes, such as the internal metrics."""
    return page(error.problem.status, error.problem.title, error.detail)


def _role_missing(error: RoleMissing) -> Response:
    role = error.role or role_of(error.scope)
    names = {"viewer": gettext("viewer"), "editor": gettext("editor"), "owner": gettext("owner")}
    text = gettext("Your role does not allow this.")
    if role:
        text = gettext(
            "This needs the role “%(role)s”. Ask an owner of your tenant.", role=names[role]
        )
    return page(403, gettext("Not allowed"), text)


def _outside_grants(_: Exception) -> Response:
    g.outcome = "outside-grants"
    text = gettext(
        "This is outside of what you reach. Your account page says what that is; an owner of your "
        "tenant can change it."
    )
    return page(403, gettext("Not allowed"), text, "outside")


def _cross_site(_: CrossSite) -> Response:
    text = gettext("Another site asked for this change, so nothing was done.")
    return page(403, gettext("Refused"), text)


def _stale_form(error: CSRFError) -> AnyResponse:
    """Return the response to a form whose CSRF token is missing or not of this session.

    Nothing was changed. A person who is not logged in is redirected to the login.
    """
    if not current_user.is_authenticated and request.endpoint != "session.login":
        return _session_ended(error)
    text = gettext(
        "The form is of another session, so nothing was done. Go back and send it again."
    )
    return page(400, gettext("The form is out of date"), text)


def _gone() -> Response:
    text = gettext("It is not here, or not any more, or you may not see it.")
    return page(404, gettext("Not found"), text, "gone", up=_way_up())


def _way_up() -> str:
    """Return the nearest page above the address: the list of its subject, or the first page."""
    asked = request.view_args or {}
    bucket, folder = asked.get("bucket"), asked.get("key", "").rpartition("/")[0]
    if bucket and request.endpoint != "files.listing":
        return url_for("files.listing", bucket=bucket, prefix=f"{folder}/" if folder else None)
    # The list of the blueprint `member` is in the blueprint `members`.
    above = f"{request.blueprint}s.overview"
    if request.view_args and above in current_app.view_functions:
        return url_for(above)
    return url_for("overview.overview")


# Problems of the API with separate pages, by slug or status.
_PAGES: dict[str, Callable[[ApiProblem], Response]] = {
    "insufficient-scope": _scope_missing,
    "outside-grants": _outside_grants,
    "tenant-suspended": _suspended,
    "404": lambda _: _gone(),
    "412": _changed,
}


def _http(error: HTTPException) -> AnyResponse:
    if isinstance(error, InternalServerError):
        # Flask wraps exceptions outside of views this way, for example when it opens the session.
        original = error.original_exception
        found = original if isinstance(original, Exception) else error
        away = isinstance(found, context().stores.errors)
        return _sessions_away(found) if away else _unexpected(found)
    if error.code == 404:
        return _gone()
    if error.code == 413:
        return page(
            413, gettext("Too large"), gettext("What you sent is larger than this page takes.")
        )
    if error.code is None or error.code < 400:
        return error.get_response()  # a redirect of the router
    return page(error.code, gettext("Refused"), gettext("The request cannot be answered."))


def _unexpected(error: Exception) -> Response:
    log.error("unexpected error", exc_info=error)
    g.outcome = "internal-error"
    title = gettext("Internal error")
    text = gettext("A fault of the console. Tell the operator of the service the number below.")
    try:
        return page(500, title, text)
    except Exception:
        log.exception("the page of an error cannot be made")
        return _bare(500, title, text)


def _sessions_away(error: Exception) -> Response:
    """Return the page for an unavailable store of sessions (Redis)."""
    log.error("the store of sessions is unavailable: %s", type(error).__name__)
    g.outcome = "sessions-unavailable"
    text = gettext("The console cannot look up who is logged in. Try again in a few seconds.")
    return _bare(503, gettext("Wharf does not answer"), text)


def _bare(status: int, title: str, text: str) -> Response:
    """Return a page that needs no session and no person."""
    g.setdefault("request_id", request_id(request.environ))
    template = current_app.jinja_env.get_template("errors/bare.html")
    body = template.render(
        title=title, text=text, request_id=g.request_id, lang=html_tag(), theme=theme.current()
    )
    response = make_response(body, status)
    response.headers["Retry-After"] = "5"
    return response
