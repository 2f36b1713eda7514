"""The Flask application of the console."""

from __future__ import annotations

from flask import Flask
from jinja2 import StrictUndefined

from servicekit import health, logs, metrics
from servicekit import web as kit
from wharf_console import __version__, csp_reports, routes
from wharf_console import metrics as own_metrics
from wharf_console.context import AppContext
from wharf_console.sessions import cookies, login_manager
from wharf_console.web import (
    access,
    current,
    errors,
    filters,
    headers,
    language,
    page,
    request_checks,
)

SERVICE = "console"
# A file with people to import may have 1 MB. The bytes of other files never reach the console.
MAX_BODY_BYTES = 1_100 * 1024


def create_app(context: AppContext) -> Flask:
    """Return the Flask application."""
    app = Flask(SERVICE, static_folder=None, root_path=str(page.PACKAGE))
    _configure(app, context)
    service_log = logs.RequestLog(SERVICE, lost=metrics.lost_line, behind=metrics.flush)
    app.extensions["service-log"] = service_log
    kit.install(app, service_log, None)
    errors.install(app, context.stores.errors)
    context.stores.install(app)
    login_manager.install(app, context.stores.records)
    language.install(app)
    filters.install(app)
    current.install(app, context)
    page.install(app, context.settings)
    # The order matters: the origin of a request, then its CSRF token, then the person.
    csrf = request_checks.install(app, context.stores.secret, context.settings.gateway_url)
    access.install(app)
    headers.install(app, context.settings.content_origin)
    for blueprint in routes.blueprints(context):
        app.register_blueprint(blueprint)
    app.register_blueprint(csp_reports.blueprint(csrf))
    health.install(app, {"sessions": context.stores.check}, "/console")
    own_metrics.install(app, __version__)
    return app


def _configure(app: Flask, context: AppContext) -> None:
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        MAX_FORM_MEMORY_SIZE=MAX_BODY_BYTES,
        PERMANENT_SESSION_LIFETIME=context.settings.console_session_seconds,
        # Write only changed sessions, so that two concurrent requests rarely overwrite each other.
        SESSION_REFRESH_EACH_REQUEST=False,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_PATH="/",
        SESSION_COOKIE_NAME=cookies.NAME,
    )
    # A misspelled name in a template is an error, not an empty text.
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
