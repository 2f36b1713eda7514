"""Functions that compose what runs jobs: the lanes, the dispatcher and the engine."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

from servicekit.database import DatabaseUnavailable
from servicekit.revocations import Revocations
from servicekit.settings import SettingsError
from wharf_upload import webhook_bootstrap
from wharf_upload.backends import Backends
from wharf_upload.job_settings import DRAMATIQ
from wharf_upload.jobs.dispatcher import Dispatcher, LaneDispatcher
from wharf_upload.jobs.engine import Engine
from wharf_upload.jobs.handlers import LaneOfJobs
from wharf_upload.jobs.lane_survey import LaneSurvey, Publish
from wharf_upload.jobs.runner import Runner
from wharf_upload.jobs.threads import ThreadEngine
from wharf_upload.maintenance.worker_turn import WorkerTurn
from wharf_upload.settings import Settings
from wharf_upload.webhook_bootstrap import TenantState

log = logging.getLogger(__name__)
Lanes = Mapping[str, LaneOfJobs]
# How long handlers may continue when their process ends. Their jobs then run again elsewhere.
GRACE_SECONDS = 10.0
_LEASE = "jobs"
# One function for each lane; it returns the lane with its default rules.
_OPENERS: tuple[Callable[[Settings, Backends, TenantState], LaneOfJobs], ...] = (
    webhook_bootstrap.delivery_lane,
    webhook_bootstrap.replay_lane,
)


def lanes(
    settings: Settings, backends: Backends, *, heard: Path | None = None
) -> dict[str, LaneOfJobs]:
    """Return the lanes that have a handler, with the rules of the settings, by their names.

    `heard` is the file of revocations, by default the service's own. Raises `SettingsError` if the
    packages of the engine are missing.
    """
    if settings.jobs_engine == DRAMATIQ and find_spec("dramatiq") is None:
        raise SettingsError("WHARF_JOBS_ENGINE=dramatiq needs wharf-upload[dramatiq]")
    found, rules = {}, settings.lane_rules
    revocations = Revocations(heard or settings.revocation_file)
    for opener in _OPENERS:
        own = opener(settings, backends, lambda tenant: _state(revocations, tenant))
        lane = rules[own.lane.name].applied(own.lane)
        found[lane.name] = LaneOfJobs(lane, own.handler, own.windows)
    return found


def _state(revocations: Revocations, tenant: str) -> str:
    """Return the state of a tenant; `unknown` until this process has read the feed once."""
    return "unknown" if revocations.unheard() else revocations.tenant_state(tenant)


def run_jobs(
    settings: Settings,
    backends: Backends,
    own: Lanes,
    stop: threading.Event,
    publish: Publish = lambda _: None,
) -> None:
    """Dispatch the jobs of lanes until `stop` is set, and run them if the engine is `threads`.

    Of several processes on the same data, one dispatches; it passes the states of the lanes to
    `publish`. At the end, jobs that did not begin become free for other processes.
    """
    turn = WorkerTurn(backends.leases, _LEASE, is_needed=settings.leases_are_shared)
    engine, dispatcher = _engine(settings, backends, own, turn.is_ours)
    survey = LaneSurvey(backends.kept_jobs, [*own], lambda: dispatcher.is_active, publish)

    def wake_at_stop() -> None:
        stop.wait()
        dispatcher.wake()

    for task in (lambda: survey.run(stop), wake_at_stop):
        threading.Thread(target=task, name="jobs-aside", daemon=True).start()
    dispatcher.run(stop)
    # Another process may dispatch before the handlers of this process have ended.
    turn.end()
    left = engine.stop(GRACE_SECONDS)
    try:
        if left:
            backends.jobs.release(left)
    except DatabaseUnavailable as error:
        log.warning("jobs that did not begin wait until their leases expire: %s", error)


def _engine(
    settings: Settings, backends: Backends, own: Lanes, is_ours: Callable[[], bool]
) -> tuple[Engine, Dispatcher]:
    """Return the engine of the settings, and a dispatcher for it."""
    is_remote = settings.jobs_engine == DRAMATIQ

    def ended() -> None:
        dispatcher.wake()

    engine: Engine
    if is_remote:
        engine = _sender(settings)
    else:
        rules = [one.lane for one in own.values()]
        engine = ThreadEngine(rules, Runner(backends.jobs, own).run, ended)
    dispatchers = [
        LaneDispatcher(backends.jobs, one.lane, engine, one.windows, ends_elsewhere=is_remote)
        for one in own.values()
    ]
    dispatcher = Dispatcher(dispatchers, is_ours)
    return engine, dispatcher


def run_workers(settings: Settings, backends: Backends, own: Lanes, stop: threading.Event) -> None:
    """Run the jobs that the dispatcher sends through Redis until `stop` is set."""
    from wharf_upload.jobs.on_dramatiq import DramatiqWorkers

    runner = Runner(backends.jobs, own)
    place = settings.jobs_place(settings.limits_url)
    workers = DramatiqWorkers(place, [one.lane for one in own.values()], runner.run)
    workers.start()
    stop.wait()
    workers.stop(GRACE_SECONDS)


def _sender(settings: Settings) -> Engine:
    # Import here: a service with the engine `threads` does not need these modules.
    from wharf_upload.jobs.on_dramatiq import DramatiqEngine

    return DramatiqEngine(settings.jobs_place(settings.limits_url))
