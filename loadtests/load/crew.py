"""The part of a process that has users: it gets their site, and reports their faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from loadtests.load import messages
from loadtests.load.api import SiteFailed
from loadtests.load.site import Site

if TYPE_CHECKING:
    from locust.env import Environment
    from locust.rpc import Message
    from locust.runners import Runner


class Crew:
    """The part with the users, in a worker or in the only process of a run.

    `site` has the accounts for the users, or is `None` when no test runs. `failed` tells whether
    the last run had a fault here.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self.site: Site | None = None
        self.failed = False

    def take_site(self, msg: Message, **_: object) -> None:
        """Begin a run (message `SITE`)."""
        assert msg.data
        self.site, self.failed = Site.from_message(msg.data), False

    def finish(self, environment: Environment, **_: object) -> None:
        """Stop the users of this worker, compare and report (message `FINISH`)."""
        self._runner.stop()
        self.close(environment)
        # A worker would wait for the timeout before the next run, although its users have stopped.
        environment.stop_timeout = 0.0

    def report(self, fault: str) -> None:
        """Send a line about wrong or lost bytes to the process that judges the run."""
        self.failed = True
        self._runner.send_message(messages.FAULT, fault)

    def close(self, environment: Environment, **_: object) -> None:
        """Compare the acknowledged files with the listed ones, and report (`events.test_stop`)."""
        site, self.site = self.site, None
        if site is None:
            return
        last: dict[str, Any] = {"error": None}
        try:
            for fault in site.lost_files():
                self.report(fault)
        except SiteFailed as error:
            self.failed, last["error"] = True, str(error)
        # The judge needs the last numbers before it gets the last message.
        numbers: dict[str, Any] = {}
        collect: Callable[..., None] = environment.events.report_to_master.fire
        collect(client_id="", data=numbers)
        if numbers:
            self._runner.send_message("stats", numbers)
        self._runner.send_message(messages.FINISHED, last)
