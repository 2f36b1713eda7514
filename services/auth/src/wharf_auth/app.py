"""Puts the auth service together."""

from __future__ import annotations

import sys
import time

from flask import Flask, Response, g

from servicekit import health, logs, metrics, openapi, tracing, web
from servicekit.database import open_database
from servicekit.problems import (
    SCOPE_MISSING,
    TENANT_SUSPENDED,
    TOKEN_EXPIRED,
    TOKEN_MALFORMED,
    TOKEN_MISSING,
    TOKEN_REVOKED,
    TOKEN_SIGNATURE,
)
from servicekit.ratelimits import RateLimits, RateLimitSettings
from servicekit.settings import SettingsError
from servicekit.tokens import Verifier
from wharf_auth import __version__, memory
from wharf_auth import metrics as own_metrics
from wharf_auth import settings as auth_settings
from wharf_auth.accounts.revocation_checker import DatabaseRevocationChecker
from wharf_auth.accounts.secrets import Hasher, HashingBusy
from wharf_auth.accounts.sessions import Lifetimes, SessionService
from wharf_auth.accounts.users import UserService
from wharf_auth.database.contract import Records
from wharf_auth.database.sql import SqlRecords
from wharf_auth.domain.clock import Clock
from wharf_auth.domain.tokens import AUTH_AUDIENCE, MAX_TOKEN_TTL_SECONDS, UPLOAD_AUDIENCE
from wharf_auth.routes import (
    ClientConverter,
    Parts,
    TenantConverter,
    acting,
    audit,
    client_secrets,
    discovery,
    feed,
    oauth,
    token_status,
)
from wharf_auth.routes import clients as client_routes
from wharf_auth.routes import login as login_routes
from wharf_auth.routes import sessions as session_routes
from wharf_auth.routes import tenants as tenant_routes
from wharf_auth.routes import users as user_routes
from wharf_auth.settings import Settings
from wharf_auth.signing import KeyRing, SigningKeyError
from wharf_auth.throttling import LoginThrottle

SERVICE = "auth"
# Far more than any request of this service has.
MAX_BODY_BYTES = 64 * 1024
# So many clients of a tenant may use up their limit before the tenant's own limit is reached.
_BUSY_CLIENTS = 4
# With this code a worker tells uWSGI's master to end instead of starting another worker.
_UWSGI_FAILED_APP = 22
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
    """The WSGI application; raises `SettingsError` or `SigningKeyError` when it cannot work."""
    app = Flask(SERVICE, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = app.config["MAX_FORM_MEMORY_SIZE"] = MAX_BODY_BYTES
    app.url_map.converters |= {"tenant": TenantConverter, "client": ClientConverter}
    limits_url = settings.effective_limits_url
    ring = keys or KeyRing(settings.keys_directory, clock, settings.longest_token_seconds)
    parts = _parts(settings, records or _records(settings), ring, clock)
    verifier = _verifier(ring, AUTH_AUDIENCE, settings, clock)
    service_log = logs.RequestLog(SERVICE, lost=metrics.lost_line, behind=metrics.flush)
    app.extensions["service-log"] = service_log
    web.install(app, service_log, verifier, DatabaseRevocationChecker(parts.records))
    acting.note_refusals(app, parts.records, clock)
    _install_limits(app, parts, limits_url)
    for routes in _ROUTES:
        app.register_blueprint(routes.blueprint(parts))
    app.register_error_handler(HashingBusy, _busy)
    health.install(app, {"database": parts.records.check}, "/auth")
    own_metrics.install(app, __version__, ring)
    _install_openapi(app)
    return app


def _verifier(keys: KeyRing, audience: str, settings: Settings, clock: Clock) -> Verifier:
    return Verifier(
        keys,
        issuer=settings.issuer,
        audience=audience,
        max_lifetime_seconds=MAX_TOKEN_TTL_SECONDS,
        clock=clock,
    )


def _parts(settings: Settings, records: Records, keys: KeyRing, clock: Clock) -> Parts:
    hasher = Hasher(settings.password_hashes_at_once)
    lifetimes = Lifetimes(settings.session_lifetime_seconds, settings.session_idle_seconds)
    return Parts(
        settings=settings,
        records=records,
        users=UserService(records, hasher, clock),
        sessions=SessionService(records, hasher, clock, lifetimes),
        keys=keys,
        hasher=hasher,
        throttle=LoginThrottle(
            settings.effective_limits_url,
            per_client=settings.login_failures_per_client_per_minute,
            per_address=settings.login_failures_per_address_per_minute,
            per_person=settings.login_failures_per_person_per_hour,
        ),
        verifier=_verifier(keys, UPLOAD_AUDIENCE, settings, clock),
        clock=clock,
    )


def _records(settings: Settings) -> Records:
    durable = settings.durability == "full"
    return SqlRecords(open_database(settings.effective_database_url, durable=durable))


def _busy(_: HashingBusy) -> Response:
    return web.render(web.unavailable("Too many passwords and secrets are being verified."))


def _install_limits(app: Flask, parts: Parts, url: str) -> None:
    per_minute = parts.settings.admin_requests_per_minute
    limits = RateLimits(
        RateLimitSettings(url, _BUSY_CLIENTS * per_minute, per_minute), lambda: g.get("principal")
    )
    limits.init_app(app)
    parts.throttle.init_app(app)


def _install_openapi(app: Flask) -> None:
    made: list[Response] = []

    def document() -> Response:
        if not made:
            always = (*_ALWAYS, SCOPE_MISSING)
            found = openapi.document("Wharf auth", __version__, openapi.routes_of(app), always)
            made.append(web.json_response(found))
        return Response(made[0].get_data(), content_type="application/json")

    app.add_url_rule("/auth/openapi.json", view_func=web.public(document), methods=["GET"])


def from_environment() -> tracing.WsgiApp:
    """What uWSGI serves; ends the process with one line when it cannot be started."""
    memory.return_large_blocks()
    try:
        settings = auth_settings.read()
        logs.configure(SERVICE, settings.log_level)
        app = create_app(settings)
        if not tracing.wanted(settings.otlp_url):
            return app
        spans = tracing.Tracing(SERVICE, __version__, settings.otlp_url)
        app.extensions["service-log"].describe = spans.describe
        return tracing.traced(app, spans)
    except (SettingsError, SigningKeyError) as error:
        sys.stderr.write(f"wharf-auth: {error}\n")
        sys.exit(_UWSGI_FAILED_APP)
