"""`wharf restart`: what has to be done before a child is replaced, and in which order."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

from wharf_gateway.terminal import CannotRunError, log
from wharf_native import control
from wharf_native.children import Child
from wharf_native.places import Places
from wharf_native.plan import Plan
from wharf_native.preloading import is_current
from wharf_native.supervisor import Supervisor

# upload before auth: it has to understand the tokens that a new auth issues (ADR 34). Services
# before the gateway: what a new gateway asks for, they know.
NAMES = ("upload", "auth", "gateway")
_CHILD_OF = {"auth": "auth", "upload": "upload", "gateway": "nginx"}


class Preparing:
    """What has to be right before children start, for the first time or once more."""

    def __init__(
        self, plan: Plan, places: Places, supervisor: Supervisor, render: Callable[[], None]
    ) -> None:
        self._plan, self._places, self._supervisor = plan, places, supervisor
        self._render = render

    def databases(self) -> None:
        """Migrations and the like; raises `CannotRunError`."""
        for program in self._plan.preparations:
            self._supervisor.run_once(Child(program, self._places.log_file("prepare")))

    def gateway(self) -> None:
        """nginx's configuration, judged by nginx; raises `CannotRunError`."""
        self._render()
        self._supervisor.run_once(Child(self._plan.gateway_check, self._places.log_file("prepare")))


class Restarts:
    """Does what `wharf restart` asks for, one after the other."""

    def __init__(
        self, supervisor: Supervisor, places: Places, prepare: Preparing, seconds: float
    ) -> None:
        self._supervisor, self._places = supervisor, places
        self._prepare, self._seconds = prepare, seconds

    def listen(self) -> None:
        """From now on requests are taken."""
        shutil.rmtree(self._places.control, ignore_errors=True)
        os.mkdir(self._places.control, 0o700)
        self._supervisor.asked = self._asked

    def _asked(self) -> None:
        for to, names in control.requests(self._places):
            try:
                self._restart(names)
            except CannotRunError as error:
                log(str(error))
                control.answer(to, str(error))
            else:
                control.answer(to, "")

    def _restart(self, names: list[str]) -> None:
        if not is_current():
            # Code of another version: its migrations come before it.
            log("the code has changed: what starts now has a copy of the packages of its own")
            self._prepare.databases()
        for name in names:
            if name == "gateway":
                self._prepare.gateway()
            log(f"restarting {name}")
            self._supervisor.replace(self._child(name), self._seconds)

    def _child(self, name: str) -> Child:
        return next(one for one in self._supervisor.children if one.name == _CHILD_OF[name])
