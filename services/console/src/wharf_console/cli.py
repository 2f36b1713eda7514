"""`wharf-console`: what a container starts."""

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
    """Runs the command; a mistake of the operator is one line on standard error."""
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
        # Before uWSGI, in which a folder that cannot be written would be more than one line.
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
    """Says that an image was built without Node: its pages work, and nothing else would tell."""
    if not assets.url("console.js"):
        line = (
            "this build has no scripts: pages work without them, uploads go through plain forms "
            "(docs/containers.md, Without scripts)"
        )
        print(f"wharf-console: {line}", file=sys.stderr, flush=True)
