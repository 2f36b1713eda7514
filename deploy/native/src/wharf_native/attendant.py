"""What is done beside the process manager, one thing after the other: the start, `wharf restart`.

It asks for changes over XML-RPC, as supervisorctl does (supervisord.org/api.html).
"""

from __future__ import annotations

import os
import signal
import time
import traceback
import xmlrpc.client
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from supervisor.http import NOT_DONE_YET
from supervisor.states import ProcessStates, SupervisorStates
from supervisor.xmlrpc import Faults, SupervisorTransport

from socket_guard.foreign_sockets import children
from wharf_gateway.run_settings import RunSettings
from wharf_gateway.terminal import CannotRunError, log
from wharf_native import logfiles
from wharf_native.places import OPTIONAL, SERVICES, Places
from wharf_native.process_manager import Manager

# upload first: it has to understand what a new auth issues (ADR 34). The console asks both, by the
# gateway, which asks all of them. What Wharf can go on without comes last.
NAMES = ("upload", "auth", "console", "gateway", "images", "live")
_POLL_SECONDS = 0.05
_GOES_ON = {ProcessStates.STARTING, ProcessStates.RUNNING}
# supervisord starts it, or has started it.
_IS_WANTED = {*_GOES_ON, ProcessStates.BACKOFF, ProcessStates.EXITED}
# So long after its time a process that does not end has been killed.
_KILL_SECONDS = 10.0


def connect(socket: str) -> Any:
    """supervisord's XML-RPC interface at a unix socket."""
    transport = SupervisorTransport(serverurl=f"unix://{socket}")
    return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)


@dataclass
class Attendant:
    """Starts the programs of supervisord.conf, and replaces them when asked to.

    Attributes:
        settings: how long a process may take until it serves, and until it has ended.
        places: where the manager takes requests, and where services say that they serve.
        preparations: the programs that are run to their ends before the services start, and those
            that begin with its name before a part is restarted; the parts do not wait for each
            other.
        render: writes nginx's configuration; raises `CannotRunError`.
        serving: waits until all serves; raises `CannotRunError`.
    """

    settings: RunSettings
    places: Places
    preparations: Iterable[str]
    render: Callable[[], None]
    serving: Callable[[Attendant], None]
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    def begin(self, manager: Manager) -> None:
        """Starts everything, in a thread of its own."""
        self.manager = manager
        self._thread.submit(self._start)

    def restart(self, names: list[str]) -> Callable[[], object]:
        """Replaces processes; supervisord answers with what went wrong, or an empty text."""
        job = self._thread.submit(self._restart, names)

        def answer() -> object:
            return job.result() if job.done() else NOT_DONE_YET

        # supervisord asks again after so many seconds.
        answer.delay, answer.rpcinterface = _POLL_SECONDS, self  # type: ignore[attr-defined]
        return answer

    def restart_now(self, names: list[str]) -> str:
        """Replaces processes; returns what went wrong. Never in the thread that begins."""
        return self._thread.submit(self._restart, names).result()

    def reload_now(self) -> str:
        """Has nginx read its files anew; returns what went wrong. Not in the thread that begins."""
        return self._thread.submit(self._reload).result()

    def wait(self, condition: Callable[[], bool], seconds: float, error: str) -> None:
        """Waits until the condition holds; raises `CannotRunError` if time is up or all stops."""
        deadline = time.monotonic() + seconds
        while not condition():
            if self._is_stopping():
                raise CannotRunError("Wharf is being stopped")
            if time.monotonic() > deadline:
                raise CannotRunError(error)
            time.sleep(_POLL_SECONDS)

    def waits_for(self, services: Iterable[str]) -> str | None:
        """Says which of these neither serves yet nor has failed; `None` when there is none."""
        for name in services:
            ready = os.path.exists(self.places.ready_file(name))
            if not ready and self._runs(name):
                return f"{name} does not serve yet"
        return None

    def _start(self) -> None:
        try:
            self._prepare()
            self.render()
            self._run_once("gateway-check")
            log("starting the services")
            for name in (*(f"{one}-0" for one in SERVICES), "nginx"):
                self._ask("startProcess", name)
            self.serving(self)
        except Exception as error:  # noqa: BLE001 -- nobody asks this thread's job how it went
            expected = isinstance(error, CannotRunError)
            if not self._is_stopping():  # it takes no requests then
                self.manager.fail(str(error) if expected else traceback.format_exc())

    def _prepare(self) -> None:
        """Runs the preparations of all parts at once, those of one part in their order."""
        logfiles.begins("prepare")
        parts: dict[str, list[str]] = {}
        for name in self.preparations:
            parts.setdefault(name.partition("-")[0], []).append(name)

        def prepare(names: list[str]) -> None:
            for name in names:
                self._run_once(name)

        with ThreadPoolExecutor() as pool:
            list(pool.map(prepare, parts.values()))

    def _restart(self, names: list[str]) -> str:
        try:
            # nginx's old workers wait for those who listen: they come back, to the new ones.
            if "gateway" in names and "live" not in names and self._runs("live"):
                names = [*names, "live"]
            for name in names:
                log(f"restarting {name}")
                logfiles.begins("prepare")
                # Migrations of a new release come before it; the old one goes on with them.
                for one in self.preparations:
                    if one.startswith(name):
                        self._run_once(one)
                if name == "gateway":
                    self._reload_gateway()
                else:
                    self._replace(name)
        except Exception as error:  # noqa: BLE001 -- `wharf restart` says it, whatever it is
            log(str(error))
            return str(error) or repr(error)
        return ""

    def _run_once(self, name: str) -> None:
        process = self._ask("startProcess", name)
        self.wait(lambda: process.get_state() not in _GOES_ON, 120.0, f"{name} does not end")
        if (process.get_state(), process.exitstatus) != (ProcessStates.EXITED, 0):
            logfiles.show_tail("prepare")
            raise CannotRunError(f"{name} ended with exit code {process.exitstatus}")

    def _reload(self) -> str:
        # Those who listen stay with nginx's old workers, as uploads do.
        try:
            self._reload_gateway()
        except Exception as error:  # noqa: BLE001 -- the next look may do
            log(str(error))
            return str(error) or repr(error)
        return ""

    def _reload_gateway(self) -> None:
        """Has nginx judge its new configuration, and its master replace the workers."""
        self.render()
        self._run_once("gateway-check")
        # One that is down is about to be started with the new configuration.
        if master := self.manager.processes()["nginx"].pid:
            old = set(children(master))
            os.kill(master, signal.SIGHUP)
            error = "nginx makes no new workers; the old ones go on"
            self.wait(lambda: bool(set(children(master)) - old), self.settings.ready_seconds, error)

    def _replace(self, service: str) -> None:
        """Starts a process beside the one that runs, which goes when the new one serves."""
        new, old = sorted(self._both(service), key=lambda one: one.get_state() in _IS_WANTED)
        # The one that was replaced before ends what it had begun.
        error = f"the {service} that was replaced before does not end"
        self.wait(lambda: new.pid == 0, self.settings.drain_seconds + _KILL_SECONDS, error)
        signs = [self.places.ready_file(service)]
        if service not in OPTIONAL:
            signs += [f"{signs[0]}.term"]
        for sign in signs:
            with suppress(FileNotFoundError):
                os.unlink(sign)
        self._ask("startProcess", new.config.name)
        error = f"the new {service} does not come up; the old one goes on"

        def serves() -> bool:
            if new.get_state() not in _GOES_ON:
                raise CannotRunError(error)
            return all(map(os.path.exists, signs))

        try:
            self.wait(serves, self.settings.ready_seconds, error)
        except CannotRunError:
            if not self._is_stopping():
                logfiles.show_tail(service)
                self._ask("stopProcess", new.config.name)
            raise
        self._ask("stopProcess", old.config.name)

    def _both(self, service: str) -> list[Any]:
        return [self.manager.processes()[f"{service}-{number}"] for number in (0, 1)]

    def _runs(self, service: str) -> bool:
        return any(one.get_state() in _GOES_ON for one in self._both(service))

    def _ask(self, verb: str, name: str) -> Any:
        """Has a process started or stopped; returns supervisord's record of it."""
        process = self.manager.processes()[name]
        process.backoff = 0  # failures of another attempt do not count
        full_name = f"{process.group.config.name}:{name}"
        try:
            getattr(connect(self.places.socket("manager")).supervisor, verb)(full_name, False)
        except xmlrpc.client.Fault as fault:
            # These mean that it has ended already; its state says so, too.
            if fault.faultCode not in {Faults.SPAWN_ERROR, Faults.NOT_RUNNING}:
                raise CannotRunError(fault.faultString) from None
        return process

    def _is_stopping(self) -> bool:
        return bool(self.manager.get_state() < SupervisorStates.RUNNING)
