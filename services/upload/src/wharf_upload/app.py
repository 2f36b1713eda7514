"""Puts the service together: the one place where parts are made."""

from __future__ import annotations

import time
from collections.abc import Callable

from flask import Flask, Response, g, request

from servicekit import health, jwks, logs, metrics, openapi, problems, tokens, web
from servicekit.ratelimits import RateLimits, RateLimitSettings
from servicekit.ratelimits.limiting import BYTES
from servicekit.revocations import Revocations
from wharf_upload import __version__, cors, translation
from wharf_upload import metrics as own_metrics
from wharf_upload.domain.limits import TenantLimits
from wharf_upload.domain.links import LinkKeys
from wharf_upload.domain.origins import Origins
from wharf_upload.domain.outages import Outage
from wharf_upload.exchange import raw_path
from wharf_upload.front import Front
from wharf_upload.opening import open_records, open_store
from wharf_upload.problems import UPLOAD
from wharf_upload.records.sql import SqlRecords
from wharf_upload.routes import (
    buckets,
    declarations,
    deletion,
    events,
    limits,
    links,
    listing,
    metadata,
    usage,
)
from wharf_upload.service import Service
from wharf_upload.settings import ALONE, Settings
from wharf_upload.shared_leases import SharedLeases
from wharf_upload.stores.local import LocalStore
from wharf_upload.stores.parts import Parts
from wharf_upload.stores.spool_check import SpoolCheck

NAME = "upload"
AUDIENCE = "upload"


def create_app(
    settings: Settings,
    *,
    store: LocalStore | None = None,
    records: SqlRecords | None = None,
    keys: tokens.Keys | None = None,
    clock: Callable[[], float] = time.time,
) -> Front:
    """The WSGI application; what is not given is made from the settings."""
    store = store or open_store(settings)
    records = records or open_records(settings, store)
    tenant_limits = TenantLimits(records, settings.tenant_limits)
    key_file = jwks.KeyFile(settings.key_file)
    service = Service(
        settings=settings,
        store=store,
        records=records,
        uploads=records.uploads,
        leases=SharedLeases(records.database, settings.instance),
        parts=Parts(store, settings.resumable_folder),
        overview=records.overview,
        verifier=tokens.Verifier(
            keys or key_file, issuer=settings.issuer, audience=AUDIENCE, clock=clock
        ),
        revocations=Revocations(settings.revocation_file),
        limits=RateLimits(
            RateLimitSettings(
                settings.limits_url,
                settings.tenant_requests_per_minute,
                settings.client_requests_per_minute,
                tenant_limits.amounts,
            ),
            lambda: g.get("principal"),
        ),
        tenant_limits=tenant_limits,
        link_keys=LinkKeys(records),
        origins=Origins(records),
        outage=Outage(),
        log=logs.RequestLog(NAME, lost=metrics.lost_line, buffer_seconds=0.1, behind=metrics.flush),
        clock=clock,
        follower=settings.follower_socket,
    )
    app = _flask_app(service)
    health.install(
        app,
        {
            "database": records.check,
            "storage": store.check,
            "spool": SpoolCheck(settings.spool_folder, settings.data / "staging").trouble,
            "keys": lambda: None if keys or key_file.loaded() else "no key to verify tokens yet",
            # The only one there is had rather go on.
            **({} if settings.instance == ALONE else {"revocations": service.revocations.unheard}),
        },
        # Without the feed the service goes on with what it knows.
        helpful={"revocations": service.revocations.error},
    )
    app.register_blueprint(declarations.blueprint(openapi.routes_of(app)))
    return Front(service, app)


def _flask_app(service: Service) -> Flask:
    app = Flask(NAME, static_folder=None)
    web.install(app, service.log, service.verifier, service.revocations)
    service.limits.init_app(app)
    metrics.expect_problems((*problems.COMMON.by_slug, *UPLOAD.by_slug))
    metrics.expect_policies(("client", "tenant", BYTES))
    metrics.install(
        app,
        __version__,
        (
            lambda: own_metrics.storage(service),
            lambda: own_metrics.ages(service),
            own_metrics.published,
        ),
    )
    resources = (buckets, deletion, events, limits, links, listing, metadata, usage)
    for resource in resources:
        app.register_blueprint(resource.blueprint(service))
    app.register_error_handler(Exception, _render)

    @app.after_request
    def share(response: Response) -> Response:
        if cors.applies(raw_path(request.environ)):
            principal = g.get("principal")
            response.headers.extend(cors.fields(service, request.environ, principal))
        return response

    return app


def _render(error: Exception) -> Response:
    return web.render(error, translation.as_problem)
