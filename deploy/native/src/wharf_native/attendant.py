"""The tasks next to the process manager, one at a time: the start, and `wharf restart`.

The attendant requests changes over XML-RPC, as supervisorctl does (supervisord.org/api.html).
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

# The order of a restart. upload is first, because it has to understand the tokens of a new auth
# (ADR 34). The console calls both through the gateway. The optional services are last.
NAMES = ("upload", "worker", "auth", "console", "gateway", "images", "live")
_POLL_SECONDS = 0.05
_GOES_ON = {ProcessStates.STARTING, ProcessStates.RUNNING}
# The states of a process that supervisord starts or has started.
_IS_WANTED = {*_GOES_ON, ProcessStates.BACKOFF, ProcessStates.EXITED}
# supervisord has killed a process at the latest this many seconds after the process's time to
# drain.
_KILL_SECONDS = 10.0


def connect(socket: str) -> Any:
    """Return supervisord's XML-RPC interface at a unix socket."""
    transport = SupervisorTransport(serverurl=f"unix://{socket}")
    return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)


@dataclass
class Attendant:
    """The background thread that starts the programs of supervisord.conf and replaces them.

    Attributes:
        settings: the time limits for the start and the end of a process.
        places: the paths of the manager's socket and of the services' ready files.
        preparations: the programs that run to completion before the services start. A program's
            name begins with the part that it prepares, and it also runs before a restart of that
            part. Programs of different parts run at the same time.
        render: writes nginx's configuration; raises `CannotRunError`.
        serving: waits until all parts serve; raises `CannotRunError`.
    """

    settings: RunSettings
    places: Places
    preparations: Iterable[str]
    render: Callable[[], None]
    serving: Callable[[Attendant], None]
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    def begin(self, manager: Manager) -> None:
        """Start all programs, in a background thread."""
        self.manager = manager
        self._thread.submit(self._start)

    def restart(self, names: list[str]) -> Callable[[], object]:
        """Replace the processes of the named parts; return a function that supervisord polls.

        The function returns an error message, or an empty text after success.
        """
        job = self._thread.submit(self._restart, names)

        def answer() -> object:
            return job.result() if job.done() else NOT_DONE_YET

        # supervisord calls the function again after this many seconds.
        answer.delay, answer.rpcinterface = _POLL_SECONDS, self  # type: ignore[attr-defined]
        return answer

    def restart_now(self, names: list[str]) -> str:
        """Replace the processes of the named parts; return an error message, or an empty text.

        Do not call this in the attendant's thread.
        """
        return self._thread.submit(self._restart, names).result()

    def reload_now(self) -> str:
        """Make nginx read its files again; return an error message, or an empty text.

        Do not call this in the attendant's thread.
        """
        return self._thread.submit(self._reload).result()

    def wait(self, condition: Callable[[], bool], seconds: float, error: str) -> None:
        """Wait until the condition is true.

        Raises:
            CannotRunError: the seconds are over, or Wharf is being stopped.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            if self._is_stopping():
                raise CannotRunError("Wharf is being stopped")
            if time.monotonic() > deadline:
                raise CannotRunError(error)
            time.sleep(_POLL_SECONDS)

    def waits_for(self, services: Iterable[str]) -> str | None:
        """Return a sentence about the first service that is still starting; `None` without one."""
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
        except Exception as error:  # noqa: BLE001 -- no caller reads the result of this thread
            expected = isinstance(error, CannotRunError)
            if not self._is_stopping():  # a stopping manager accepts no requests
                self.manager.fail(str(error) if expected else traceback.format_exc())

    def _prepare(self) -> None:
        """Run the preparations of all parts in parallel; run those of one part in their order."""
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
            # nginx's old workers do not end while clients receive events. A restart of the live
            # channel disconnects these clients, and they connect to the new workers.
            if "gateway" in names and "live" not in names and self._runs("live"):
                names = [*names, "live"]
            for name in names:
                log(f"restarting {name}")
                logfiles.begins("prepare")
                # The migrations of a new release run before it starts; the old release works with
                # the migrated database.
                for one in self.preparations:
                    if one.startswith(name):
                        self._run_once(one)
                if name == "gateway":
                    self._reload_gateway()
                else:
                    self._replace(name)
        except Exception as error:  # noqa: BLE001 -- `wharf restart` prints every error
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
        # Clients that receive events stay with nginx's old workers, as uploads do.
        try:
            self._reload_gateway()
        except Exception as error:  # noqa: BLE001 -- the next check may succeed
            log(str(error))
            return str(error) or repr(error)
        return ""

    def _reload_gateway(self) -> None:
        """Let nginx test its new configuration, and make its master replace the workers."""
        self.render()
        self._run_once("gateway-check")
        # Without a master, supervisord is about to start nginx with the new configuration.
        if master := self.manager.processes()["nginx"].pid:
            old = set(children(master))
            os.kill(master, signal.SIGHUP)
            error = "nginx starts no new workers; the old workers keep running"
            self.wait(lambda: bool(set(children(master)) - old), self.settings.ready_seconds, error)

    def _replace(self, service: str) -> None:
        """Start a second process of a service, and stop the first when the second serves."""
        new, old = sorted(self._both(service), key=lambda one: one.get_state() in _IS_WANTED)
        # After an earlier replacement, the process in the new process's place may still be ending
        # its requests.
        error = f"the previous process of {service} does not end"
        self.wait(lambda: new.pid == 0, self.settings.drain_seconds + _KILL_SECONDS, error)
        signs = [self.places.ready_file(service)]
        if service not in OPTIONAL:
            signs += [f"{signs[0]}.term"]
        for sign in signs:
            with suppress(FileNotFoundError):
                os.unlink(sign)
        self._ask("startProcess", new.config.name)
        error = f"the new process of {service} does not start; the old process keeps running"

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
        """Let supervisord start or stop a process; return supervisord's record of the process."""
        process = self.manager.processes()[name]
        process.backoff = 0  # failures of an earlier attempt do not count
        full_name = f"{process.group.config.name}:{name}"
        try:
            getattr(connect(self.places.socket("manager")).supervisor, verb)(full_name, False)
        except xmlrpc.client.Fault as fault:
            # These faults mean that the process has already ended, and its state will show the end.
            if fault.faultCode not in {Faults.SPAWN_ERROR, Faults.NOT_RUNNING}:
                raise CannotRunError(fault.faultString) from None
        return process

    def _is_stopping(self) -> bool:
        return bool(self.manager.get_state() < SupervisorStates.RUNNING)
