"""The command `wharf-console`, which a container starts."""

from __future__ import annotations

import os
import sys

import click

from servicekit import command_line, serving
from wharf_console import __version__
from wharf_console import settings as console_settings
from wharf_console.sessions import stores
from wharf_console.web.assets import Assets

NAME = "console"


def main() -> None:
    """Run the command; print an error of the operator as one line on standard error."""
    command_line.run(cli, "wharf-console")


@click.group()
@click.version_option(__version__)
def cli() -> None:
    """Wharf's console. Settings are read from the environment (WHARF_DATA, ...)."""


@cli.command()
def serve() -> None:
    """Serve, in a container: check the settings, then start uWSGI."""
    own = console_settings.read()
    if own.console_sessions == "file":
        # If the folder cannot be opened, the command ends here with a short message. In uWSGI the
        # same error would fill many lines.
        stores.open_stores(
            own.console_sessions,
            own.folder,
            idle_seconds=own.console_session_seconds,
            is_https=own.is_https,
        )
    serving.ini_file(NAME)
    _warn_without_scripts(Assets())
    serving.run_uwsgi(NAME, [os.environ.get("WHARF_CONSOLE_SOCKET", "")])


def _warn_without_scripts(assets: Assets) -> None:
    """Print a warning if the image was built without Node; its pages work without scripts."""
    if not assets.url("console.js"):
        line = (
            "this build has no scripts: pages work without them, uploads go through plain forms "
            "(docs/containers.md, Without scripts)"
        )
        print(f"wharf-console: {line}", file=sys.stderr, flush=True)
