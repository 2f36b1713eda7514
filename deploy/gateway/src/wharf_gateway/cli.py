"""`python3 -m wharf_gateway`: the command line of the gateway's container.

serve   write nginx's configuration, test it, and run nginx until a signal stops it
check   write nginx's configuration and test it
health  check whether the gateway and the services behind it are ready
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
    """Run the gateway until a signal stops it; return the exit code."""
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
    """Return 0 when the gateway, upload and auth are ready; otherwise log the reason and return 1.

    With a front door, also require that the front door is open.
    """
    from wharf_gateway.readiness import not_ready

    # Build no `Gateway` here: a file that became wrong after the start affects only the next start.
    settings, front_door = run_settings(environ), front_door_path(environ)
    # Do not check the console: clients of the API do not need it.
    error = not_ready(settings, console=False)
    if error is None and front_door and not os.path.islink(front_door):
        error = "the front door is not open yet"
    if error is not None:
        log(error)
    return int(error is not None)


def main() -> None:
    """Run the container's command line."""
    if os.getpid() == 1:
        # The kernel delivers no signal to a container's first process without a handler for it.
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
