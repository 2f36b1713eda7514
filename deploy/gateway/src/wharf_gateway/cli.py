"""`python3 -m wharf_gateway`: the gateway as a container of its own.

serve   write nginx's configuration, test it, and run nginx until told to stop
check   write and test it
health  whether the gateway and everything behind it is ready
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping

from wharf_gateway.container import Gateway, front_door_path, run_settings
from wharf_gateway.terminal import CannotRunError, log

_USAGE = "usage: gateway serve | check | health"


def serve(environ: Mapping[str, str]) -> int:
    """Runs the gateway until it is told to stop; returns the exit code."""
    from wharf_gateway.first_process import run

    gateway = Gateway(environ)
    gateway.await_names()
    gateway.prepare()
    lock = gateway.own_spool()
    try:
        return run(gateway, environ)
    finally:
        os.close(lock)


def health(environ: Mapping[str, str]) -> int:
    """Says what is not ready; 0 when everything is."""
    from wharf_gateway.readiness import not_ready

    # Not all of a `Gateway`: files that have become wrong since concern the next start alone.
    settings, front_door = run_settings(environ), front_door_path(environ)
    # Programs are served without the console.
    error = not_ready(settings, console=False)
    if error is None and front_door and not os.path.islink(front_door):
        error = "the balancer is not let in yet"
    if error is not None:
        log(error)
    return int(error is not None)


def main() -> None:
    """The container's command line."""
    if os.getpid() == 1:
        # The kernel keeps signals from a container's first process that has not asked for them.
        signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))
    os.umask(0o077)
    try:
        match sys.argv[1:]:
            case ["serve"]:
                sys.exit(serve(os.environ))
            case ["check"]:
                Gateway(os.environ).prepare()
            case ["health"]:
                sys.exit(health(os.environ))
            case _:
                raise CannotRunError(_USAGE)
    except CannotRunError as error:
        sys.exit(f"wharf: {error}")
    except OSError as error:
        sys.exit(f"wharf: {error}")
