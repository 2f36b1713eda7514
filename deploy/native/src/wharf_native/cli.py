"""The command line `wharf`: run, status, restart, settings."""

from __future__ import annotations

import os
import sys

from wharf_gateway.run_settings import RunSettings
from wharf_gateway.terminal import CannotRunError, log

# For each part the new process may take WHARF_READY_SECONDS and the old one WHARF_DRAIN_SECONDS.
_PATIENCE_SECONDS = 600.0
_USAGE = "usage: wharf run | status | restart [NAME...] | settings"


def checkout() -> str:
    """Return the directory of the repository, from which this package is installed (editable)."""
    return os.path.abspath(os.path.join(os.path.dirname(__file__), "../../../.."))


def status(settings: RunSettings) -> int:
    """Log whether Wharf is ready; return 0 when it is, otherwise 1."""
    from wharf_gateway.readiness import counts, not_ready
    from wharf_native.places import OPTIONAL

    if error := not_ready(settings, console=True):
        log(f"not ready: {error}")
        return 1
    missing = [name for name in OPTIONAL if not counts(settings, name)]
    without = f", without {' and '.join(missing)} (their requests get 503)" if missing else ""
    log(f"ready at {settings.url}{without}")
    return 0


def restart(settings: RunSettings, names: list[str]) -> None:
    """Make the running Wharf replace the processes of the named parts, or of all parts.

    Raises:
        CannotRunError: a name is unknown, no Wharf runs, or a new process does not start.
    """
    import http.client
    import socket
    import xmlrpc.client

    from wharf_native.attendant import NAMES, connect
    from wharf_native.places import Places

    if unknown := sorted(set(names) - set(NAMES)):
        raise CannotRunError(f"cannot restart {unknown[0]}; choose from {', '.join(NAMES)}")
    chosen = [name for name in NAMES if name in names or not names]
    places = Places(settings.data, os.environ, settings.instance)
    socket.setdefaulttimeout(_PATIENCE_SECONDS)
    try:
        error = connect(places.socket("manager")).wharf.restart(chosen)
    except (FileNotFoundError, ConnectionRefusedError):
        raise CannotRunError(
            f"no Wharf runs on {places.data}; start it with `wharf run` (stop one of 0.1.0 first)"
        ) from None
    except (OSError, http.client.HTTPException, xmlrpc.client.Error):
        raise CannotRunError("the running Wharf does not respond; see its output") from None
    if error:
        raise CannotRunError(error)
    log(f"restarted {', '.join(chosen)}")


def print_settings() -> None:
    """Print the tables of settings for the documentation."""
    from wharf_gateway.run_settings import RUN_SETTINGS
    from wharf_gateway.settings import GATEWAY_SETTINGS
    from wharf_gateway.tables import markdown

    print("# Settings of the native runner and the gateway\n")
    print("`make docs` generates this page from the code. Change the text there.\n")
    print("## `make run`\n")
    print(markdown(RUN_SETTINGS))
    print("## Gateway\n")
    print(markdown(GATEWAY_SETTINGS), end="")


def main() -> None:
    """Run the command line."""
    arguments = sys.argv[1:]
    try:
        if arguments == ["settings"]:
            print_settings()
            return
        if arguments not in (["run"], ["status"]) and arguments[:1] != ["restart"]:
            raise CannotRunError(_USAGE)
        settings = RunSettings(os.environ, root=checkout())
        if arguments[0] == "restart":
            restart(settings, arguments[1:])
            return
        if arguments == ["status"]:
            sys.exit(status(settings))
        from wharf_native.running import run

        run(settings, os.environ)
    except KeyboardInterrupt:
        sys.exit(130)
    except CannotRunError as error:
        sys.exit(f"wharf: {error}")
    except OSError as error:
        # A full disk or a directory of another user: the operator must solve it, and needs no
        # traceback.
        sys.exit(f"wharf: {error}")
