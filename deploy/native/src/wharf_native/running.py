"""`wharf run`: prepares, starts and watches Wharf, and stops it."""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Mapping

from kept_sockets import Kept
from wharf_gateway import readiness, tls
from wharf_gateway.blobstore import BlobStore, blob_store
from wharf_gateway.connection_guard import ConnectionGuard
from wharf_gateway.metrics_file import MetricsFile
from wharf_gateway.run_settings import RunSettings
from wharf_gateway.store_watch import KnownName, StoreWatch
from wharf_gateway.terminal import CannotRunError, log
from wharf_gateway.tls_watch import CertificateWatch
from wharf_native import logfiles
from wharf_native.attendant import Attendant
from wharf_native.places import LISTENING, OPTIONAL, SERVICES, Places, take_lock
from wharf_native.plan import render_gateway, service_environment, template_values
from wharf_native.process_manager import Manager
from wharf_native.survivors import end_survivors
from wharf_native.welcome import welcome

_PROCESSES = ("nginx", *SERVICES)
# Additional sockets: upload's for request bodies, auth's for requests with a secret (ADR 63).
_MORE_SOCKETS = ("receiver", "auth-secrets")
# nginx writes access.log, and the preparations write prepare.log.
_LOGS = (*_PROCESSES, "access", "prepare")
# A wait that is shorter than this is normal and is not logged.
_SILENT_SECONDS = 5.0
# The gateway does not show whether these services are ready. The start waits some seconds for them.
_AWAITED = (*OPTIONAL, "worker")
_AWAITED_SECONDS = 20.0
_HOUSEKEEPING_SECONDS = 60.0
# The pause between two checks of the logs. In this time a flood of requests adds a few megabytes.
_LOGS_SECONDS = 1.0


def run(settings: RunSettings, environ: Mapping[str, str]) -> None:
    """Run Wharf until a signal stops it.

    Raises:
        CannotRunError: Wharf could not start, or had to stop after a failure.
    """
    os.umask(0o077)
    places = Places(settings.data, environ, settings.instance)
    places.create()
    lock = take_lock(places)
    log_files = [places.log_file(name) for name in _PROCESSES]
    try:
        if ended := end_survivors(log_files):
            log(f"killed {ended} processes that an earlier run left behind")
        places.sweep()
        for name in _LOGS:
            logfiles.rotate(places.log_file(name))
        readiness.check_free(settings.host, settings.port, "WHARF_PORT")
        if settings.redirect_port:
            readiness.check_free(settings.host, settings.redirect_port, tls.REDIRECT_PORT.name)
        readiness.check_free(settings.metrics_host, settings.metrics_port, "WHARF_METRICS_PORT")
        _manage(settings, places, environ)
    finally:
        end_survivors(log_files, patience=0.0)
        places.leave()
        os.close(lock)
    log("stopped")


def _manage(settings: RunSettings, places: Places, environ: Mapping[str, str]) -> None:
    values = template_values(settings, places, environ)
    inherited = service_environment(settings, places, environ)
    os.environ.clear()
    os.environ.update(inherited)
    store, metrics = blob_store(environ), MetricsFile(f"{places.nginx}/gateway.prom")
    certificate = None
    if (files := tls.files(environ)) is not None:
        certificate = CertificateWatch(files, lambda: not attendant.reload_now(), metrics)

    def render() -> None:
        if store is not None:
            known = KnownName(store)
            attendant.wait(known, settings.ready_seconds, known.error)
        render_gateway(settings, places, values)

    attendant = Attendant(
        settings,
        places,
        preparations=_preparations(settings),
        render=render,
        serving=lambda attendant: _serving(attendant, store, metrics, certificate),
    )
    sockets = [Kept(places.socket(name)) for name in (*LISTENING, *_MORE_SOCKETS)]
    manager = Manager(attendant, sockets)
    manager.serve()
    for one in sockets:
        one.listener.close()
    if manager.error:
        raise CannotRunError(manager.error)


def _preparations(settings: RunSettings) -> list[str]:
    names = ["auth-init", "upload-migrate"]
    # An installation without docs has no pages about problems.
    pages = os.path.exists(os.path.join(settings.root, "docs/generate.py"))
    return [*names, "gateway-pages"] if pages else names


def _serving(
    attendant: Attendant,
    store: BlobStore | None,
    metrics: MetricsFile,
    certificate: CertificateWatch | None,
) -> None:
    """Wait until all parts are ready, then start the threads that watch connections and files."""
    settings, places = attendant.settings, attendant.places
    threading.Thread(target=_rotate_logs, args=[places], daemon=True).start()
    _await_ready(attendant, settings)
    guard = ConnectionGuard(
        lambda: [pid] if (pid := attendant.manager.processes()["nginx"].pid) else [],
        settings.public_ports,
        os.environ,
        metrics,
        f"{places.nginx}/{tls.BODIES}",
    )
    guard.check()
    threading.Thread(target=_keep_house, args=[guard], daemon=True).start()
    if store is not None:
        StoreWatch(store, lambda: not attendant.restart_now(["gateway"])).start()
    if certificate is not None:
        certificate.start()
    welcome(settings, places)


def _keep_house(guard: ConnectionGuard) -> None:
    """Close surplus connections and cut slow bodies, until the process ends."""
    while True:
        try:
            guard.poll()
        except Exception:  # noqa: BLE001 -- the next check may succeed
            traceback.print_exc()
        time.sleep(min(guard.seconds, _HOUSEKEEPING_SECONDS))


def _rotate_logs(places: Places) -> None:
    """Rotate the log files, until the process ends."""
    while True:
        try:
            for name in _LOGS:
                logfiles.rotate(places.log_file(name))
        except Exception:  # noqa: BLE001 -- the next rotation may succeed
            traceback.print_exc()
        time.sleep(_LOGS_SECONDS)


def _await_ready(attendant: Attendant, settings: RunSettings) -> None:
    begin, error, shown = time.monotonic(), None, None

    def ready() -> bool:
        nonlocal error, shown
        error = readiness.not_ready(settings, console=True)
        seconds = time.monotonic() - begin
        if error is None and seconds < _AWAITED_SECONDS:
            error = attendant.waits_for(_AWAITED)
        if error is not None and seconds > _SILENT_SECONDS and error != shown:
            log(f"waiting: {error}")
            shown = error
        return error is None

    try:
        attendant.wait(ready, settings.ready_seconds, f"not ready after {settings.ready_seconds} s")
    except CannotRunError as late:
        for name in _PROCESSES:
            logfiles.show_tail(name)
        raise CannotRunError(f"{late}: {error}") from None
