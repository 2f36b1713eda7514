"""Keeps the children running, and stops them in order.

One thread, no handlers: the signals that matter are blocked and waited for, so nothing ever
happens in the middle of something else.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence

from wharf_gateway.terminal import CannotRunError, log
from wharf_native import logfiles
from wharf_native.children import CRASH_LIMIT, Child
from wharf_native.handover import Handover, Leaving

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# What a stage has even when the one before used up the time to drain.
_LEAST_GRACE_SECONDS = 5.0
_FAST_SECONDS = 3.0
# One request to stop may arrive twice: from the process group, and passed on by make.
_SAME_REQUEST_SECONDS = 1.0
_AGAIN_SECONDS = 1.0
_POLL_SECONDS = 0.25
# While one process takes the place of another.
_HANDOVER_SECONDS = 0.02
_HOUSEKEEPING_SECONDS = 60.0


class StoppedError(Exception):
    """Somebody asked for a stop."""


class Supervisor:
    """Runs children until it is told to stop or one of them keeps failing.

    Args:
        stages: the children in the order of the stop; those of one stage stop together.
            They are started in the opposite order.
        drain_seconds: how long work in flight may take when stopping.
        other_logs: files that the children write by themselves; kept from growing, too.

    Attributes:
        duty: called at least every `duty_seconds` while watching, if there is one.
        asked: called when the signal `ask_signal` came: somebody wants something.
        leaving: processes that were replaced and end what they have begun.
    """

    ask_signal = signal.SIGUSR1

    def __init__(
        self,
        stages: Sequence[Sequence[Child]],
        drain_seconds: float,
        other_logs: Sequence[str] = (),
    ) -> None:
        self.stages = stages
        self.children = [child for stage in reversed(stages) for child in stage]
        self.drain_seconds = drain_seconds
        self._logs = [*(child.log_file for child in self.children), *other_logs]
        self.duty: Callable[[], None] | None = None
        self.duty_seconds = _HOUSEKEEPING_SECONDS
        self.asked: Callable[[], None] | None = None
        self.leaving = Leaving(drain_seconds)
        self._wanted = False
        self._hurry = False
        self._stop_began = 0.0
        self._stops = set(_STOP_SIGNALS)
        # nohup asks for this. An ignored SIGINT, which a shell's `&` leaves behind, does not
        # mean that an explicit one is to be ignored too.
        if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
            self._stops.discard(signal.SIGHUP)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._waited_for = {*self._stops, signal.SIGCHLD, self.ask_signal}
        signal.pthread_sigmask(signal.SIG_BLOCK, self._waited_for)

    def run_once(self, child: Child, timeout_seconds: float = 120) -> None:
        """Runs a child to its end.

        Raises:
            CannotRunError: it failed or took too long; its last lines were shown.
            StoppedError: a stop was asked for meanwhile.
        """
        child.start()
        deadline = time.monotonic() + timeout_seconds
        try:
            while (how := child.ended()) is None:
                if time.monotonic() > deadline:
                    how = f"was not done after {timeout_seconds:g} s"
                    break
                if self._wait(1.0):
                    raise StoppedError
        finally:
            child.kill()
            _await_end([child])
        if how != "ended with exit code 0":
            show_tail(child)
            raise CannotRunError(f"{child.name} {how}; its output is above")

    def start(self) -> None:
        """Starts every child."""
        for child in self.children:
            child.start()

    def watch(self, done: Callable[[], bool] | None = None) -> None:
        """Restarts what ends, until `done` says so, or for ever.

        Raises:
            CannotRunError: a child keeps failing.
            StoppedError: a stop was asked for.
        """
        while done is None or not done():
            self._restart_ended()
            longest = self._longest_pause() if done is None else _POLL_SECONDS
            if self._wait(self._pause(longest)):
                raise StoppedError
            self._look_around()
            if self._wanted and self.asked is not None:
                self._wanted = False
                self.asked()

    def replace(self, child: Child, timeout_seconds: float) -> None:
        """Lets a new process of a child take over; the old one ends what it has begun.

        Raises:
            CannotRunError: the new one does not come up; the old one goes on.
            StoppedError: a stop was asked for meanwhile.
        """
        if child.program.before_restart is not None:
            child.program.before_restart()
        if not child.running:  # it has just failed: the next one comes now instead of in a while
            child.start()
            return
        handover = Handover(child, timeout_seconds)
        while (error := handover.step()) is None:
            self._restart_ended(but=child)
            if self._wait(_HANDOVER_SECONDS):
                handover.abandon()
                self.leaving.add(handover.old)
                raise StoppedError
            self._look_around()
        if error:
            show_tail(child)
            raise CannotRunError(f"the new {child.name} {error}; the old one goes on")
        self.leaving.add(handover.old)

    def _look_around(self) -> None:
        if self.duty is not None:
            self.duty()
        self.leaving.poll()
        for log_file in self._logs:
            logfiles.rotate(log_file)

    def stop(self) -> None:
        """Stops stage after stage; a second stop signal makes it short."""
        self._stop_began = time.monotonic()
        deadline = self._stop_began + self.drain_seconds
        for stage in self.stages:
            grace = max(deadline - time.monotonic(), min(self.drain_seconds, _LEAST_GRACE_SECONDS))
            replaced = [old for child in stage for old in self.leaving.of(child.name)]
            self._stop_stage([*(child for child in stage if child.running), *replaced], grace)

    def _stop_stage(self, stage: list[Child], grace: float) -> None:
        for child in stage:
            child.send(child.program.fast if self._hurry else child.program.graceful)
        self._await_stop(stage, _FAST_SECONDS if self._hurry else grace, repeat=not self._hurry)
        left = [child for child in stage if child.running]
        for child in left:
            log(f"{child.name} is not done, stopping it now")
            child.send(child.program.fast)
        self._await_stop(left, _FAST_SECONDS)
        for child in left:
            child.kill()
        _await_end(left)

    def _await_stop(self, stage: list[Child], seconds: float, *, repeat: bool = False) -> None:
        """Waits until the children have ended or the time is over.

        `repeat`: who is still starting may not have heard the request, and is asked again.

        A stop signal that arrives meanwhile is the second one: it ends this wait, and makes all
        that follows short.
        """
        deadline = time.monotonic() + seconds
        while any(child.ended() is None and child.running for child in stage):
            left = deadline - time.monotonic()
            if left <= 0:
                return
            again = self._wait(min(left, _AGAIN_SECONDS))
            for child in stage if repeat else ():
                child.send(child.program.graceful)
            late = time.monotonic() - self._stop_began > _SAME_REQUEST_SECONDS
            if again and late and not self._hurry:
                self._hurry = True
                return

    def _restart_ended(self, but: Child | None = None) -> None:
        now = time.monotonic()
        for child in self.children:
            if child is but:
                continue
            how = child.ended()
            if how is not None and not child.crashed():
                show_tail(child)
                raise CannotRunError(
                    f"{child.name} {how}, {CRASH_LIMIT} times in a minute; its output is above"
                )
            if how is not None and child.due is not None:
                log(f"{child.name} {how}, starting it again in {child.due - now:.1f} s")
            if child.due is not None and child.due <= now:
                child.start()

    def _longest_pause(self) -> float:
        return min(_HOUSEKEEPING_SECONDS, self.duty_seconds)

    def _pause(self, longest: float) -> float:
        """Seconds until something is due."""
        now = time.monotonic()
        dues = [child.due - now for child in self.children if child.due is not None]
        if self.leaving:
            longest = min(longest, 1.0)
        return max(0.0, min([longest, *dues]))

    def _wait(self, seconds: float) -> bool:
        """Sleeps until a child ends or the time is over; True when a stop was asked for."""
        received = signal.sigtimedwait(self._waited_for, seconds)
        if received is None:
            return False
        if received.si_signo == self.ask_signal:
            self._wanted = True
        return received.si_signo in self._stops


def _await_end(children: list[Child]) -> None:
    """Reaps children that were killed: nothing can delay that for long."""
    while any(child.ended() is None and child.running for child in children):
        time.sleep(0.01)


def show_tail(child: Child) -> None:
    """Prints the last lines of a child's log since its start."""
    for line in logfiles.tail(child.log_file, child.log_start):
        print(f"  {child.name}: {line}", flush=True)
