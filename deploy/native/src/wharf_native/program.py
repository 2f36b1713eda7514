"""A program that the supervisor runs: its command, its environment and its signals."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence

# Where nginx looks for the numbers of inherited sockets; which is which their addresses tell it.
NGINX_SOCKETS = "NGINX"


class Program:
    """What to run and how it is stopped.

    Attributes:
        name: names its log file too.
        command: the first word is a path.
        environment: all of it.
        graceful: the signal on which it finishes what it does, then ends.
        fast: the signal on which it ends at once, with its own children.
        preloaded: a Python script that begins with what the supervisor has imported.
        sockets: asked at each start for the descriptors of listening sockets to inherit.
        serves: whether the process with this id serves by now; None: it does from its start.
        before_restart: done before a new process takes the place of one that runs; may raise
            `CannotRunError`, and then nothing changes.
    """

    __slots__ = (
        "before_restart",
        "command",
        "environment",
        "fast",
        "graceful",
        "name",
        "preloaded",
        "serves",
        "sockets",
    )

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        graceful: signal.Signals,
        fast: signal.Signals,
        preloaded: bool = False,
        sockets: Callable[[], list[int]] = list,
        serves: Callable[[int], bool] | None = None,
    ) -> None:
        self.name = name
        self.command = command
        self.environment = environment
        self.graceful = graceful
        self.fast = fast
        self.preloaded = preloaded
        self.sockets = sockets
        self.serves = serves
        self.before_restart: Callable[[], None] | None = None

    def start_with(self) -> tuple[dict[str, str], list[int]]:
        """The environment and the sockets of a process that is about to start."""
        sockets = self.sockets()
        environment = dict(self.environment)
        if NGINX_SOCKETS in environment:
            environment[NGINX_SOCKETS] = "".join(f"{one};" for one in sockets)
        return environment, sockets
