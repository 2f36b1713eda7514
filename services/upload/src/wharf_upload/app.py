"""The composition of the routes: the WSGI application, and the routes of the stream server."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from flask import Blueprint, Flask

from servicekit import health, metrics, openapi, problems, tokens, web
from servicekit.ratelimits.limiting import BYTES
from wharf_upload import __version__, webhook_bootstrap
from wharf_upload.backends import Backends
from wharf_upload.bootstrap import open_backends
from wharf_upload.catalog.moves import FileMoves
from wharf_upload.context import NAME, AppContext, app_context
from wharf_upload.http import flask_glue
from wharf_upload.http.answering import Answering
from wharf_upload.http.event_cursors import EventCursors
from wharf_upload.observability import metrics as own_metrics
from wharf_upload.observability import store_metrics
from wharf_upload.problems import UPLOAD
from wharf_upload.routes import (
    buckets,
    copies,
    deletion,
    events,
    limits,
    links,
    listing,
    metadata,
    ticket_rules,
    under_way,
    usage,
    webhooks,
)
from wharf_upload.routes import openapi as openapi_routes
from wharf_upload.routes.admission import AdmissionQuestion
from wharf_upload.routes.cross_origin import CrossOriginRoutes
from wharf_upload.routes.fast_path import FastPath
from wharf_upload.routes.files import FileRoutes
from wharf_upload.routes.forms import FormRoutes
from wharf_upload.routes.gateway import AdmittedOnly, GatewayRoutes
from wharf_upload.routes.ietf_resumable import UploadLimits
from wharf_upload.routes.resumable import ResumableRoutes
from wharf_upload.routes.shared import SharedRoutes
from wharf_upload.settings import ALONE, Settings
from wharf_upload.storage.spool_check import SpoolCheck
from wharf_upload.tenancy.limits import LimitsAdministration


@dataclass(frozen=True)
class Application:
    """The routes of the processes: uWSGI's workers use `wsgi`, the stream server uses the rest."""

    context: AppContext
    wsgi: FastPath
    gateway_routes: GatewayRoutes
    resumable_routes: ResumableRoutes
    answering: Answering


def create_app(
    settings: Settings,
    *,
    backends: Backends | None = None,
    keys: tokens.Keys | None = None,
    clock: Callable[[], float] = time.time,
) -> Application:
    """Return the application; without `backends` or `keys`, create them from the settings."""
    context = app_context(settings, backends or open_backends(settings), keys=keys, clock=clock)
    access = context.access
    answering = Answering(context.log, context.cross_origin)
    upload_limits = UploadLimits(
        clock,
        max_file_bytes=settings.max_file_bytes,
        expiry_seconds=settings.upload_expiry_seconds,
    )
    files = _file_routes(context)
    shared = _shared_routes(context, clock)
    gateway = GatewayRoutes(
        _admitted_only(context),
        _admission_question(context),
        files,
        FormRoutes(context.receiving.rules, context.form_receiver),
        shared,
        CrossOriginRoutes(context.cross_origin, upload_limits),
    )
    return Application(
        context,
        FastPath(files, gateway, answering, _flask_app(context, answering)),
        gateway,
        ResumableRoutes(
            access.credentials, access.authorizer, context.resumable_uploads, upload_limits
        ),
        answering,
    )


def _shared_routes(context: AppContext, clock: Callable[[], float]) -> SharedRoutes:
    return SharedRoutes(
        context.shared_files,
        context.downloads,
        context.cross_origin,
        clock,
        content_origin=context.settings.content_origin,
    )


def _admitted_only(context: AppContext) -> AdmittedOnly:
    return AdmittedOnly(
        context.access.authorizer,
        context.access.limits,
        context.receiving.long_work,
        context.receiving.admission.give_back,
    )


def _file_routes(context: AppContext) -> FileRoutes:
    return FileRoutes(
        context.access.credentials,
        context.access.limits,
        context.receiving.admission,
        context.receiving.file_receiver,
        context.downloads,
    )


def _admission_question(context: AppContext) -> AdmissionQuestion:
    return AdmissionQuestion(
        context.access.credentials,
        context.access.limits,
        context.access.tenant_limits,
        context.receiving.admission,
        context.resumable_uploads,
    )


def _flask_app(context: AppContext, answering: Answering) -> Flask:
    app = Flask(NAME, static_folder=None)
    web.install(
        app,
        context.log,
        context.access.verifier,
        context.access.revocations,
        flask_glue.finish_with(answering),
    )
    context.access.limits.init_app(app)
    _install_metrics(app, context)
    for routes in _resources(context):
        app.register_blueprint(routes)
    app.register_error_handler(Exception, lambda error: flask_glue.refused(answering, error))
    _install_health(app, context)
    app.register_blueprint(openapi_routes.blueprint(openapi.routes_of(app)))
    return app


def _resources(context: AppContext) -> tuple[Blueprint, ...]:
    return (
        buckets.blueprint(context.buckets),
        copies.blueprint(FileMoves(context.records, context.buckets, context.clock)),
        deletion.blueprint(context.files),
        events.blueprint(context.records, context.settings.event_seconds),
        limits.blueprint(LimitsAdministration(context.records, context.access.tenant_limits)),
        links.blueprint(
            context.link_maker, context.links, content_origin=context.settings.content_origin
        ),
        listing.blueprint(context.files),
        metadata.blueprint(context.files),
        ticket_rules.blueprint(context.receiving.rules, context.records),
        under_way.blueprint(context.resumable_uploads.under_way),
        usage.blueprint(context.records, context.access.tenant_limits),
        webhooks.blueprint(
            webhook_bootstrap.catalog(context.settings, context.backends.webhooks, context.clock),
            lambda: EventCursors(
                context.records.event_numbers_changed_at(), context.settings.event_seconds
            ),
        ),
    )


def _install_metrics(app: Flask, context: AppContext) -> None:
    metrics.expect_problems((*problems.COMMON.by_slug, *UPLOAD.by_slug))
    metrics.expect_policies(("client", "tenant", BYTES))
    if context.settings.uses_object_store:
        store_metrics.begin_at_zero()
    metrics.install(
        app,
        __version__,
        (
            lambda: own_metrics.storage(context.settings),
            lambda: own_metrics.ages(context.settings, context.access.revocations),
            lambda: own_metrics.reserved(context.reservations),
            own_metrics.published,
        ),
    )


def _install_health(app: Flask, context: AppContext) -> None:
    settings, revocations = context.settings, context.access.revocations
    staging = None if settings.blob_url else settings.data / "staging"
    spool_check = SpoolCheck(settings.spool_folder, staging)
    needed = {
        "database": context.records.check,
        "storage": context.store.check,
        "spool": spool_check.error,
        "room": context.receiving.room.error,
        "keys": context.access.keys_error,
    }
    if settings.instance != ALONE:
        # A single replica stays ready without the feed, because no other replica could take over.
        needed["revocations"] = revocations.unheard
    # Without the feed the service continues with the revocations that it knows.
    health.install(app, needed, helpful={"revocations": revocations.error})
