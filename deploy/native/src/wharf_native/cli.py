"""`wharf`: run, status, settings."""

from __future__ import annotations

import os
import sys

from wharf_native.settings import RunSettings
from wharf_native.terminal import CannotRunError, say

_USAGE = "usage: wharf run | status | settings"


def checkout() -> str:
    """The directory of the repository; this package is installed from it, editable."""
    return os.path.abspath(os.path.join(os.path.dirname(__file__), "../../../.."))


def status(settings: RunSettings) -> int:
    """Says whether Wharf is ready; 0 when it is."""
    from wharf_native.readiness import not_ready

    trouble = not_ready(settings)
    say(f"ready at {settings.url}" if trouble is None else f"not ready: {trouble}")
    return int(trouble is not None)


def print_settings() -> None:
    """Prints the tables of settings for the documentation."""
    from wharf_native.gateway_settings import GATEWAY_SETTINGS
    from wharf_native.settings import RUN_SETTINGS
    from wharf_native.tables import markdown

    print("# Settings of the native runner and the gateway\n")
    print("Made by `make docs` from the code; change them there.\n")
    print("## `make run`\n")
    print(markdown(RUN_SETTINGS))
    print("## Gateway\n")
    print(markdown(GATEWAY_SETTINGS), end="")


def main() -> None:
    """The command line."""
    arguments = sys.argv[1:]
    try:
        if arguments == ["settings"]:
            print_settings()
            return
        if arguments not in (["run"], ["status"]):
            raise CannotRunError(_USAGE)
        settings = RunSettings(os.environ, root=checkout())
        if arguments == ["status"]:
            sys.exit(status(settings))
        from wharf_native.running import run

        run(settings, os.environ)
    except KeyboardInterrupt:
        sys.exit(130)
    except CannotRunError as error:
        sys.exit(f"wharf: {error}")
    except OSError as error:
        # A full disk, a directory of another user: the operator's to solve, not ours to trace.
        sys.exit(f"wharf: {error}")
