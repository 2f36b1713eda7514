"""`make load`: users that behave like real ones, against a Wharf that runs.

Exit status: 0 when all thresholds held, 1 with a line for each that did not, 2 when the run could
not begin or Wharf went away.
"""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Iterable

# Before all of our own: it replaces the blocking parts of the standard library.
import locust
from locust.env import Environment
from locust.html import get_html_report
from locust.stats import StatsEntry, get_stats_summary, stats_history

from loadtests.load import settings as told
from loadtests.load import transfers, users, verdict
from loadtests.load.people import Person
from loadtests.load.site import Site, SiteFailed
from loadtests.load.stages import PATIENCE_SECONDS, SHAPES, Plan

USERS: list[type[Person]] = [
    users.Service,
    users.Browser,
    users.Reader,
    users.Noisy,
    transfers.Archive,
    transfers.Mobile,
]
#: What each run must have done; by time small requests are judged alone.
QUICK = (
    *("PUT small", "GET", "GET range", "GET unchanged", "HEAD", "GET by link", "link made"),
    *("list", "metadata", "DELETE", "usage", "tus HEAD", "tus POST"),
)
SLOW = ("POST form", "POST form by ticket", "ticket", "PUT large", "GET large")
CUT = ("tus PATCH", "tus PATCH cut")
# A user that stores has to keep more than it may before it deletes: only longer runs come to that.
_OFTEN = frozenset((*QUICK, *SLOW, *CUT)) - {"usage"}
_STOP_SECONDS = 60.0
_NOISY = "noisy: "


class Shape(locust.LoadTestShape):
    """A plan, second by second."""

    def __init__(self, plan: Plan, done: set[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._plan, self._done = plan, done

    def tick(self) -> tuple[int, float] | None:
        """How many users now (`LoadTestShape`)."""
        second: float = self.get_run_time()  # type: ignore[no-untyped-call]
        count = self._plan.users_at(second)
        if count is None and self._plan.until_complete and second < PATIENCE_SECONDS:
            count = self._plan.stages[-1].users if _OFTEN - self._done else None
        return None if count is None else (count, self._plan.spawn_rate)


def main() -> None:
    """Sets up, runs, judges, and tidies up."""
    try:
        settings = told.read()
        site = Site(settings.host, settings.client_id, settings.client_secret)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        logging.basicConfig(level=logging.WARNING, format="load: %(message)s")
        try:
            site.set_up(settings.tenants)
            _say(f"{settings.shape} against {settings.host}, report in {settings.report}")
            lines = _run(settings, site)
        finally:
            site.tear_down()
    except (told.BadSetting, SiteFailed) as error:
        print(f"load: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    for line in lines:
        print(f"load: missed {line}", file=sys.stderr)
    if lines:
        sys.exit(1)
    _say("all thresholds held")


def _run(settings: told.LoadSettings, site: Site) -> list[str]:
    """The measurement; what was missed."""
    plan = SHAPES[settings.shape].scaled(users=settings.users, seconds=settings.seconds)
    Person.site, Person.large_bytes = site, plan.large_bytes
    done: set[str] = set()
    environment = Environment(
        user_classes=list(USERS),
        shape_class=Shape(plan, done),
        host=settings.host,
        stop_timeout=_STOP_SECONDS,
    )

    def note(name: str, exception: object, **_: object) -> None:
        if exception is None:
            done.add(name)

    environment.events.request.add_listener(note)  # type: ignore[no-untyped-call]

    runner = environment.create_local_runner()
    history = runner.greenlet.spawn(stats_history, runner)
    runner.start_shape()
    begin = environment.stats.start_time
    assert runner.shape_greenlet is not None
    runner.shape_greenlet.join()
    runner.quit()
    history.kill()
    print("\n".join(get_stats_summary(environment.stats, current=False)))
    site.check()
    settings.report.parent.mkdir(parents=True, exist_ok=True)
    report = get_html_report(environment)  # type: ignore[no-untyped-call]
    settings.report.write_text(report, encoding="utf-8")
    entries = [one for one in environment.stats.entries.values() if one.name[:7] != _NOISY]
    last = environment.stats.last_request_timestamp or begin
    found = verdict.missed(
        settings.thresholds,
        [_kind(entry) for entry in entries],
        last - begin,
        expected=sorted(_OFTEN) if plan.until_complete else (),
        faults=site.faults,
    )
    return [*found, *_noisy_failures(environment.stats.entries.values())]


def _kind(entry: StatsEntry) -> verdict.Kind:
    return verdict.Kind(
        entry.name,
        entry.num_requests,
        entry.num_failures,
        entry.get_response_time_percentile(0.99),
        entry.name in QUICK,
    )


def _noisy_failures(entries: Iterable[StatsEntry]) -> list[str]:
    """The noisy tenant's refusals are right; nothing else that fails is."""
    return [
        f"the noisy tenant: {entry.num_failures} of {entry.num_requests} {entry.name} were "
        "answered with neither success nor 429"
        for entry in entries
        if entry.name[:7] == _NOISY and entry.num_failures
    ]


def _say(line: str) -> None:
    print(f"load: {line}", flush=True)


if __name__ == "__main__":
    main()
