"""The process that judges a run: locust's master, or the only process of a run."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from loadtests.load import messages, options, verdict
from loadtests.load.administrator import Administrator
from loadtests.load.api import SiteFailed
from loadtests.load.kinds import EXPECTED
from loadtests.load.selection import is_everything
from loadtests.load.site import Site
from loadtests.load.stages import LARGE_BYTES, Plan

if TYPE_CHECKING:
    from locust.env import Environment
    from locust.rpc import Message

HELD, MISSED, FAILED = 0, 1, 2
_POLL_SECONDS = 0.1
# How long workers may compare their files, after the time that their users have to stop.
_REPORT_SECONDS = 60.0

logger = logging.getLogger("load")


@dataclass
class Run:
    """One test, from its start to its stop. `silent` are the workers that have not reported."""

    settings: options.RunSettings
    plan: Plan | None
    administrator: Administrator
    faults: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    silent: set[str] = field(default_factory=set)
    finishing: bool = False
    numbers: verdict.Numbers | None = None


class Head:
    """The judge: it creates the tenants of each test, collects faults, and logs the verdict.

    `host` and `credentials` are fixed: a person at the web page cannot make this process send the
    administrator's secret to another address. `workers` returns the ids of connected workers.
    `cancel` ends the start of a test, and does not return.
    """

    def __init__(
        self,
        environment: Environment,
        host: str,
        credentials: Path,
        workers: Callable[[], Collection[str]],
        cancel: Callable[[], NoReturn],
    ) -> None:
        self._environment, self._host, self._credentials = environment, host, credentials
        self._workers, self._cancel = workers, cancel
        self._busy = threading.Lock()
        self._quitting = False
        self._run: Run | None = None
        #: The exit status of the last test, `None` before the first.
        self.status: int | None = None

    def start(self, **_: object) -> None:
        """Create tenants and give them to the users (`events.test_start`)."""
        while self._run:  # A person at the web page may start a test before the last one is judged.
            time.sleep(_POLL_SECONDS)
        with self._busy:
            self.status = FAILED  # until the test is judged
            if not self._begin():
                self._cancel()

    def welcome(self, client_id: str, **_: object) -> None:
        """Give a worker that connects during a test its site (`events.worker_connect`)."""
        run = self._run
        if run and not run.finishing:
            run.silent.add(client_id)
            self._send(messages.SITE, run.administrator.site.message(), client_id)

    def note_fault(self, msg: Message, **_: object) -> None:
        """Store a line about wrong or lost bytes (message `FAULT`)."""
        if self._run:
            self._run.faults.append(str(msg.data))

    def note_finished(self, msg: Message, **_: object) -> None:
        """Store that a worker has reported (message `FINISHED`)."""
        if self._run:
            self._run.silent.discard(msg.node_id)
            if msg.data and msg.data["error"]:
                self._run.errors.append(msg.data["error"])

    def wait_for_workers(self, **_: object) -> None:
        """Stop the users of all workers, and wait for the reports (`events.test_stopping`).

        Locust alone would not wait: a headless master ends the test while users still run.
        """
        run = self._run
        if run is None:
            return
        if not run.finishing:
            run.finishing = True
            self._send(messages.FINISH)
        deadline = time.monotonic() + self._environment.stop_timeout + _REPORT_SECONDS
        while run.silent.intersection(self._workers()) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        self.take_numbers()

    def take_numbers(self, **_: object) -> None:
        """Copy the measurements of locust, because the start of the next test clears them."""
        if self._run and self._run.numbers is None:
            runner = self._environment.runner
            found = runner.exceptions.values() if runner else ()
            exceptions = [f"{one['msg']}, {one['count']} times" for one in found]
            self._run.numbers = verdict.Numbers.of(self._environment.stats, exceptions)

    def judge(self, **_: object) -> None:
        """Log the verdict and remove the tenants (the last listener of `events.test_stop`)."""
        self.take_numbers()
        with self._busy:
            run = self._run
            if run is None or run.numbers is None:
                return
            try:
                lines = self._missed(run, run.numbers)
                for line in lines:
                    logger.error("missed %s", line)
                self._tear_down(run)
                self.status = FAILED if run.errors else MISSED if lines else HELD
            finally:
                self._run = None
            if self.status == HELD:
                logger.info("all thresholds held")

    def settle(self) -> int | None:
        """Begin no further test; return the exit status of the last one, after its judgement."""
        self._quitting = True
        with self._busy:
            return self.status

    def _begin(self) -> bool:
        try:
            run = self._set_up()
            if self._quitting:
                run.administrator.tear_down()
                return False
        except (options.BadSetting, SiteFailed) as error:
            _log_failure(f"the test cannot begin: {error}")
            return False
        run.silent.update(self._workers())
        self._run = run
        self._send(messages.SITE, run.administrator.site.message())
        self._environment.stats.total.start_time = time.time()
        return True

    def _set_up(self) -> Run:
        environment = self._environment
        assert environment.parsed_options
        if environment.host != self._host:
            raise options.BadSetting(
                f"host {environment.host}: this locust was started for {self._host}, and sends an "
                "administrator's secret there; start locust with --host for another Wharf"
            )
        plan: Plan | None = getattr(environment.shape_class, "plan", None)
        settings = options.run_settings(environment.parsed_options, plan)
        site = Site(self._host, plan.large_bytes if plan else LARGE_BYTES)
        administrator = Administrator(site, *options.credentials(self._credentials))
        administrator.set_up(settings.tenants)
        return Run(settings, plan, administrator)

    @staticmethod
    def _tear_down(run: Run) -> None:
        try:
            run.administrator.tear_down()
        except SiteFailed as error:
            run.errors.append(str(error))
        for line in run.errors:
            _log_failure(line)

    def _missed(self, run: Run, numbers: verdict.Numbers) -> list[str]:
        complete = run.plan and run.plan.until_complete and is_everything(self._environment)
        lines = verdict.missed(
            run.settings.thresholds,
            numbers,
            expected=sorted(EXPECTED) if complete else (),
            faults=run.faults,
        )
        lines += [f"report: worker {one} did not compare its files" for one in sorted(run.silent)]
        return lines

    def _send(self, name: str, data: object = None, client_id: str | None = None) -> None:
        assert self._environment.runner
        self._environment.runner.send_message(name, data, client_id)


def _log_failure(line: str) -> None:
    logger.error("%s", line)
