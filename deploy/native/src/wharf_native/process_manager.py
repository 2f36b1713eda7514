"""The process manager: supervisord in this process, with Wharf's rules for a stop (ADR 36)."""

from __future__ import annotations

import math
import os
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from supervisor import events
from supervisor.medusa import asyncore_25 as asyncore
from supervisor.options import ServerOptions
from supervisor.states import (
    SIGNALLABLE_STATES,
    STOPPED_STATES,
    ProcessStates,
    SupervisorStates,
)
from supervisor.supervisord import Supervisor

from kept_sockets import Kept
from wharf_gateway.terminal import log
from wharf_native import logfiles
from wharf_native.absences import Absences
from wharf_native.places import OPTIONAL

# One request to stop may arrive as two signals: to the process group, and forwarded by make.
_SAME_REQUEST_SECONDS = 1.0
_AGAIN_SECONDS = 1.0
# The seconds that the services get even if the gateway has used all the time for draining.
_LEAST_SECONDS = 5.0


class Manager(Supervisor):  # type: ignore[misc]  # it publishes no types
    """A supervisord that runs programs until a signal, or until a required program keeps failing.

    Every process inherits the listening sockets, so connections wait while a process is replaced.

    Attributes:
        attendant: the manager calls its `begin` at startup, and its `restart` over XML-RPC.
        error: the reason of a stop after a failure; empty after a requested stop.
    """

    def __init__(self, attendant: Any, sockets: Sequence[Kept]) -> None:
        self._stops = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as it is under nohup
            self._stops.add(signal.SIGHUP)
        options = ServerOptions()
        options.realize(["-c", str(Path(__file__).with_name("supervisord.conf"))])
        options.first, options.test = True, False
        super().__init__(options)
        self.attendant, self.error, self._absences = attendant, "", Absences(sockets)
        self._bell = _bell()
        self._stop_asked_at, self._stop_by, self._again_at = 0.0, math.inf, 0.0

    def serve(self) -> None:
        """Run until all programs have ended."""
        with suppress(asyncore.ExitNow):
            self.main()
        # A client that has just connected must not wait for a response.
        self.options.close_httpservers()

    def fail(self, error: str) -> None:
        """Stop all programs for this reason."""
        self.error = self.error or error
        self._shut_down()
        self._bell.send(b"\0")

    def processes(self) -> dict[str, Any]:
        """Return supervisord's records of all processes, by name; `pid` is 0 if none runs."""
        groups = self.process_groups.values()
        return {one.config.name: one for group in groups for one in group.processes.values()}

    # supervisord calls the following methods.

    def runforever(self) -> None:
        """Run until all programs have ended after a stop."""
        events.subscribe(events.ProcessStateEvent, self._changed)
        self.attendant.begin(self)
        super().runforever()

    def handle_signal(self) -> None:
        """Stop on the first signal; on a further signal after a second, stop without draining."""
        if self.options.get_signal() not in self._stops:
            return
        now = time.monotonic()
        if not self._stop_asked_at:
            self._stop_asked_at = now
            self._stop_by = time.time() + float(os.environ["WHARF_DRAIN_SECONDS"])
            log("stopping (repeat the signal to stop immediately)")
            self._shut_down()
        elif now - self._stop_asked_at > _SAME_REQUEST_SECONDS:
            for process in self.processes().values():
                process.config.stopwaitsecs = process.delay = 0

    def _shut_down(self) -> None:
        """Make supervisord stop all programs.

        The live channel disconnects its clients all at the same time, because no process is left to
        which they could connect again.
        """
        for name in ("live-0", "live-1"):
            self.processes()[name].config.stopsignal = signal.SIGINT
        self.options.mood = SupervisorStates.SHUTDOWN

    def tick(self, now: float | None = None) -> None:
        """Signal stopping processes again, because a starting uWSGI ignores the first signal.

        Also try the absent services that are due.
        """
        super().tick(now)
        if time.monotonic() >= self._again_at:
            self._again_at = time.monotonic() + _AGAIN_SECONDS
            for process in self.processes().values():
                if process.get_state() == ProcessStates.STOPPING:
                    process.signal(process.config.stopsignal)
        if self.get_state() == SupervisorStates.RUNNING:
            for name in self._absences.due():
                self._try(name)

    def _try(self, name: str) -> None:
        """Start an absent service once, unless one of its processes runs already."""
        if self._is_down(name):
            process = self.processes()[f"{name}-0"]
            process.backoff = process.config.startretries
            process.spawn()

    def _is_down(self, name: str) -> bool:
        both = (self.processes()[f"{name}-{number}"] for number in (0, 1))
        return all(one.get_state() in STOPPED_STATES for one in both)

    def _changed(self, event: Any) -> None:
        process, state = event.process, event.process.get_state()
        name = process.config.name.partition("-")[0]
        if state == ProcessStates.STARTING:
            self._absences.listen(name)
            if process.group.config.name != "prepare":  # preparations share a log file
                logfiles.begins(name)
        elif state == ProcessStates.STOPPING:
            process.delay = min(process.delay, max(self._stop_by, time.time() + _LEAST_SECONDS))
        elif state not in SIGNALLABLE_STATES and process.pid:
            # End the rest of its process group: an nginx worker without a master keeps the port.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        if self.get_state() == SupervisorStates.RUNNING:
            self._judge(name, process, state)

    def _judge(self, name: str, process: Any, state: int) -> None:
        """React to the new state of one of a program's processes."""
        if name in OPTIONAL and state in {ProcessStates.FATAL, ProcessStates.STOPPED}:
            if self._is_down(name):
                self._do_without(name)
        elif name in self._absences:
            if state == ProcessStates.RUNNING:
                log(f"{name} runs again")
                self._absences.end(name)
        elif state == ProcessStates.FATAL:
            logfiles.show_tail(name)
            times = process.config.startretries + 1
            self.fail(f"{name} ended {times} times in a row; its output is above")
        elif process.config.autorestart and state in {ProcessStates.BACKOFF, ProcessStates.EXITED}:
            log(f"{name} ended, starting it again")
            self._bell.send(b"\0")

    def _do_without(self, name: str) -> None:
        if name not in self._absences:
            logfiles.show_tail(name)
            log(f"{name} keeps failing: Wharf runs without it and tries to start it each minute")
        self._absences.begin(name)


def restart_interface(manager: Manager) -> Any:
    """Return the XML-RPC interface of `wharf restart`; supervisord.conf names this function."""
    return SimpleNamespace(restart=manager.attendant.restart)


def _bell() -> socket.socket:
    """Return a socket; a byte that a signal or thread writes to it wakes supervisord (PEP 475)."""
    inner, outer = socket.socketpair()
    outer.setblocking(False)
    signal.set_wakeup_fd(outer.fileno(), warn_on_full_buffer=False)
    wakes = asyncore.dispatcher(inner)
    wakes.writable, wakes.handle_read = lambda: False, lambda: inner.recv(4096)
    return outer
