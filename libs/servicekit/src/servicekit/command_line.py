"""The entry point of a service's commands: an operator's mistake is one line on standard error."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

import click

from servicekit.settings import SettingsError


def end_on_term() -> None:
    """Let TERM end this process during its start, even if it is the first process of a container.

    The kernel delivers TERM to the first process of a container only if the process handles TERM.
    """
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))


def run(
    command: click.Command, name: str, explain: Callable[[Exception], str | None] | None = None
) -> NoReturn:
    """Run a command and exit with its code.

    Args:
        command: the command or group of commands.
        name: the name of the program, for messages.
        explain: returns the message for an error of this service, or `None` for an unknown error.
    """
    end_on_term()
    os.umask(0o077)
    try:
        code = command.main(standalone_mode=False, prog_name=name)
        sys.exit(code if isinstance(code, int) else 0)
    except click.UsageError as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        sys.exit(130)
    except Exception as error:
        line = (explain(error) if explain else None) or _line(error)
        if line is None:
            raise
        click.echo(f"{name}: {line}", err=True)
        sys.exit(1)


def _line(error: Exception) -> str | None:
    """Return the message for an error that every service may have, or `None`."""
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, SettingsError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename or 'the system'}: {error.strerror}"
    return None
