"""`wharf run`: prepare, start, wait until ready, watch, stop."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

from wharf_gateway import readiness
from wharf_gateway.body_guard import BodyGuard
from wharf_gateway.run_settings import RunSettings
from wharf_gateway.terminal import CannotRunError, log
from wharf_native import logfiles
from wharf_native.children import Child
from wharf_native.listening import Listeners
from wharf_native.places import Places, take_lock
from wharf_native.plan import Plan, render_gateway, service_environment, template_values
from wharf_native.preloading import preload
from wharf_native.restarts import Preparing, Restarts
from wharf_native.supervisor import StoppedError, Supervisor, show_tail
from wharf_native.survivors import end_survivors
from wharf_native.welcome import welcome

_CHILDREN = ("nginx", "auth", "upload")
# Written by nginx itself, and by what runs before the children.
_OTHER_LOGS = ("access", "prepare")
# A short wait is normal and says nothing.
_SILENT_SECONDS = 5.0


def run(settings: RunSettings, environ: Mapping[str, str]) -> None:
    """Runs Wharf until it is told to stop.

    Raises:
        CannotRunError: it could not start, or could not go on.
    """
    os.umask(0o077)
    places = Places(settings.data, environ, settings.instance)
    places.create()
    lock = take_lock(places)
    log_files = [places.log_file(name) for name in _CHILDREN]
    other_logs = [places.log_file(name) for name in _OTHER_LOGS]
    try:
        if ended := end_survivors(log_files):
            log(f"ended {ended} processes that an earlier run left")
        places.sweep()
        for path in (*log_files, *other_logs):
            logfiles.rotate(path)
        readiness.check_free(settings.host, settings.port, "WHARF_PORT")
        readiness.check_free(settings.metrics_host, settings.metrics_port, "WHARF_METRICS_PORT")
        _supervise(settings, places, environ)
    except StoppedError:
        pass
    finally:
        end_survivors(log_files, patience=0.0)
        places.leave()
        os.close(lock)
    log("stopped")


def _supervise(settings: RunSettings, places: Places, environ: Mapping[str, str]) -> None:
    values = template_values(settings, places, environ)
    listeners = Listeners()
    environment = service_environment(settings, places, environ)
    plan = Plan(settings, places, environment, listeners)
    programs = [[plan.gateway], plan.services]
    stages = [[Child(p, places.log_file(p.name)) for p in stage] for stage in programs]
    gateway = stages[0][0]
    supervisor = Supervisor(
        stages,
        settings.drain_seconds,
        other_logs=[places.log_file(name) for name in _OTHER_LOGS],
    )
    prepare = Preparing(plan, places, supervisor, lambda: render_gateway(settings, places, values))
    prepare.databases()
    prepare.gateway()
    try:
        log(f"starting on {places.data}")
        preload()
        supervisor.start()
        _await_ready(settings, supervisor)
        guard = BodyGuard(
            lambda: _running([gateway, *supervisor.leaving.of("nginx")]),
            settings.port,
            environ,
            f"{places.nginx}/gateway.prom",
        )
        guard.check()
        supervisor.duty, supervisor.duty_seconds = guard.poll, guard.seconds
        restarts = Restarts(supervisor, places, prepare, settings.ready_seconds)
        restarts.listen()
        welcome(settings, places)
        supervisor.watch()
    except StoppedError:
        log("stopping (again to stop at once)")
        raise
    finally:
        # nginx closes its own; a new connection must not wait for one that will never come.
        listeners.close_tcp()
        supervisor.stop()


def _running(children: list[Child]) -> list[int]:
    return [child.pid for child in children if child.running]


def _await_ready(settings: RunSettings, supervisor: Supervisor) -> None:
    """Watches the children until the gateway says that all is ready."""
    begin = time.monotonic()
    error: str | None = None
    shown: str | None = None

    def ready() -> bool:
        nonlocal error, shown
        error = readiness.not_ready(settings)
        waited = time.monotonic() - begin
        if error is not None and waited > settings.ready_seconds:
            for child in supervisor.children:
                show_tail(child)
            raise CannotRunError(f"not ready after {settings.ready_seconds} s: {error}")
        if error is not None and waited > _SILENT_SECONDS and error != shown:
            log(f"waiting: {error}")
            shown = error
        return error is None

    supervisor.watch(ready)
