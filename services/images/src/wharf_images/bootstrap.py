"""The composition of the service from its settings."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from kept_sockets import Kept, inherited
from servicekit.settings import SettingsError
from wharf_images import __version__, metrics, probes
from wharf_images.blobs import Blobs
from wharf_images.maker import Maker, self_test
from wharf_images.sandbox import kernel, seccomp
from wharf_images.sandbox.client import Sandbox
from wharf_images.server import Server
from wharf_images.settings import Settings, address_of

log = logging.getLogger(__name__)

# The file of the self-test: a white BMP of 1 x 1 pixels.
TINY = (
    b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\1\0\0\0\1\0\0\0\1\0\x18\0\0\0\0\0\4\0\0\0"
    b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\0"
)


def landlock_version(mode: str) -> int:
    """Return the kernel's version of Landlock, 0 if it has none and `mode` allows that.

    Raises:
        SettingsError: the kernel has no known seccomp, or no Landlock although `mode` requires it.
    """
    if not kernel.has_seccomp() or not seccomp.is_known(kernel.machine()):
        raise SettingsError(
            f"the kernel ({kernel.machine()}) has no seccomp filters that this service knows. "
            "The service makes no picture without them (docs/small-pictures.md)"
        )
    found = kernel.landlock_abi()
    if not found and mode == "require":
        raise SettingsError(
            "WHARF_IMAGES_SANDBOX=require: the kernel has no Landlock, or the container's "
            "seccomp profile refuses it; with `auto` the service continues without Landlock"
        )
    return found


def zygote_command(version: int) -> list[str]:
    """Return the command that starts a zygote, the only process that imports Pillow."""
    return [sys.executable, "-I", "-m", "wharf_images.zygote", str(version)]


def serve(settings: Settings) -> None:
    """Serve until TERM.

    Raises:
        SettingsError: the kernel does not support the sandbox that the settings require.
        OSError: a socket cannot be opened.
    """
    version = landlock_version(settings.images_sandbox)
    if not version:
        log.warning("the kernel has no Landlock: the sandbox consists of limits and seccomp only")
    sandbox = Sandbox(zygote_command(version))
    try:
        _serve(settings, sandbox, version)
    finally:
        sandbox.close()


def _serve(settings: Settings, sandbox: Sandbox, version: int) -> None:
    sandbox.watch()
    listeners, keep = _listeners(settings)
    counts = metrics.Metrics(__version__)
    state: list[str | None] = [self_test(sandbox, TINY)]
    if state[0]:
        log.error("not ready: %s", state[0])

    def tick() -> None:
        keep()
        sandbox.watch()
        # The error at startup may be temporary, for instance a machine without free memory.
        if state[0]:
            state[0] = self_test(sandbox, TINY)

    maker = Maker(Blobs(settings.blobs_socket), sandbox, counts.child_ended)
    server = Server(
        maker.answer,
        probes.pages(counts, lambda: state[0]),
        counts,
        workers=settings.images_workers,
        waiting=settings.images_waiting,
    )
    counts.gauges.update(_gauges(server, sandbox, version))
    server.run(listeners, partial(_say_ready, version), tick)


def _gauges(
    server: Server, sandbox: Sandbox, version: int
) -> dict[str, tuple[str, Callable[[], metrics.Samples]]]:
    """Return the gauges by name, each with its help text and a function that returns its samples.

    Each scrape calls the functions.
    """
    return {
        "wharf_images_waiting": (
            "Requests that wait for a worker.",
            lambda: [("", server.room.waiting)],
        ),
        "wharf_images_busy": ("Pictures that are being made.", lambda: [("", server.room.busy)]),
        "wharf_images_sandbox_landlock": (
            "1 if the sandbox uses Landlock, else 0.",
            lambda: [("", int(version > 0))],
        ),
        "wharf_images_zygote_restarts_total": (
            "Zygotes that were started because one had ended.",
            lambda: [("", sandbox.restarts)],
        ),
        "wharf_process_resident_memory_bytes": (
            "Memory (PSS: shared pages are divided among the processes that share them).",
            lambda: [
                ('process="server"', metrics.memory_bytes(os.getpid())),
                ('process="zygote"', sum(map(metrics.memory_bytes, sandbox.pids()))),
            ],
        ),
        "wharf_process_cpu_seconds_total": (
            "CPU time of the service, ended processes included.",
            lambda: [("", metrics.cpu_seconds(sandbox.pids()))],
        ),
    }


def _listeners(
    settings: Settings,
) -> tuple[list[tuple[socket.socket, bool]], Callable[[], object]]:
    """Return the listening sockets with their `is_http`, and the function that keeps copies.

    The copies are for the next container (ADR 37).
    """
    keep: Callable[[], object] = lambda: None  # noqa: E731 -- a default in one line
    listener = inherited(settings.socket)
    if listener is None:
        kept = Kept(settings.socket)
        listener, keep = kept.listener, kept.leave_copies
    listeners = [(listener, False)]
    if address := address_of(settings.images_internal):
        family = socket.AF_INET if "." in address[0] else socket.AF_INET6
        listeners.append(
            (socket.create_server(address, family=family, dualstack_ipv6=not address[0]), True)
        )
    return listeners, keep


def _say_ready(version: int) -> None:
    log.info("ready to make pictures; Landlock %s", version or "is missing")
    # These files show that the process accepts connections and handles TERM. For the other
    # services, two hooks of uWSGI write such files.
    if ready := os.environ.get("WHARF_READY_FILE"):
        for path in (ready, f"{ready}.term"):
            with suppress(OSError):
                Path(path).write_text("ready\n", encoding="ascii")
