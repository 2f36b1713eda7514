"""The Flask application of the auth service."""

from __future__ import annotations

import time
from typing import Any

from flask import Flask, Response, g

from servicekit import health, logs, metrics, openapi, web
from servicekit.problems import (
    SCOPE_MISSING,
    TENANT_SUSPENDED,
    TOKEN_EXPIRED,
    TOKEN_MALFORMED,
    TOKEN_MISSING,
    TOKEN_REVOKED,
    TOKEN_SIGNATURE,
)
from servicekit.protected_routes import protected
from servicekit.protection import public
from servicekit.ratelimits import RateLimits, RateLimitSettings
from wharf_auth import __version__, bootstrap
from wharf_auth import metrics as own_metrics
from wharf_auth.accounts.secrets import HashingBusy
from wharf_auth.context import AppContext
from wharf_auth.database.contract import Records
from wharf_auth.domain.clock import Clock
from wharf_auth.routes import (
    acting,
    audit,
    client_secrets,
    discovery,
    feed,
    group_members,
    groups,
    oauth,
    token_status,
)
from wharf_auth.routes import clients as client_routes
from wharf_auth.routes import login as login_routes
from wharf_auth.routes import sessions as session_routes
from wharf_auth.routes import tenants as tenant_routes
from wharf_auth.routes import users as user_routes
from wharf_auth.routes.converters import ClientConverter, TenantConverter
from wharf_auth.settings import Settings
from wharf_auth.signing import KeyRing

SERVICE = "auth"
# No valid request of auth is larger, and nginx has the same limit. It allows changes of 2,000
# members, and lists of grants slightly above their limit, so that the refusal can name the fault.
MAX_BODY_BYTES = 128 * 1024
# The tenant's limit is this number of clients times the limit of one client.
_BUSY_CLIENTS = 4
_ALWAYS = (
    TOKEN_MISSING,
    TOKEN_MALFORMED,
    TOKEN_SIGNATURE,
    TOKEN_EXPIRED,
    TOKEN_REVOKED,
    TENANT_SUSPENDED,
)
_ROUTES = (
    oauth,
    token_status,
    discovery,
    feed,
    audit,
    tenant_routes,
    client_routes,
    client_secrets,
    user_routes,
    groups,
    group_members,
    login_routes,
    session_routes,
)


def create_app(
    settings: Settings,
    *,
    records: Records | None = None,
    keys: KeyRing | None = None,
    clock: Clock = time.time,
) -> Flask:
    """Return the WSGI application; raise `SigningKeyError` if the signing keys cannot be used."""
    return flask_app(bootstrap.app_context(settings, records=records, keys=keys, clock=clock))


def flask_app(context: AppContext) -> Flask:
    """Return the Flask application with all routes."""
    app = Flask(SERVICE, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = app.config["MAX_FORM_MEMORY_SIZE"] = MAX_BODY_BYTES
    app.url_map.converters |= {"tenant": TenantConverter, "client": ClientConverter}
    service_log = logs.RequestLog(SERVICE, lost=metrics.lost_line, behind=metrics.flush)
    app.extensions["service-log"] = service_log
    web.install(app, service_log, context.auth_verifier, context.revocations)
    acting.note_refusals(app, context.records, context.clock)
    _install_limits(app, context)
    for routes in _ROUTES:
        app.register_blueprint(routes.blueprint(context))
    app.register_error_handler(HashingBusy, _busy)
    health.install(app, {"database": context.records.check}, "/auth")
    own_metrics.install(app, __version__, context.keys)
    _install_openapi(app)
    return app


def _busy(_: HashingBusy) -> Response:
    return web.render(web.unavailable("Too many passwords and secrets wait to be verified."))


def _install_limits(app: Flask, context: AppContext) -> None:
    settings = context.settings
    per_minute = settings.admin_requests_per_minute
    limits = RateLimits(
        RateLimitSettings(settings.effective_limits_url, _BUSY_CLIENTS * per_minute, per_minute),
        lambda: g.get("principal"),
    )
    limits.init_app(app)
    app.extensions[acting.COUNT_MORE] = limits.count_more


def _install_openapi(app: Flask) -> None:
    def document() -> dict[str, Any]:
        # Only the document needs the examples, so they are imported when it is requested first.
        from wharf_auth.openapi.guide import GUIDE

        always = (*_ALWAYS, SCOPE_MISSING)
        return openapi.document("Wharf auth", __version__, openapi.routes_of(app), always, GUIDE)

    view = protected(
        openapi.served(document),
        public("the document describes the service and contains no data"),
    )
    app.add_url_rule("/auth/openapi.json", view_func=view, methods=["GET"])
