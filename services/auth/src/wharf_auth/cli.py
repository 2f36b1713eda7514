"""`wharf-auth`: what an operator does with the auth service."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import MutableMapping
from importlib import import_module
from pathlib import Path

import click

from servicekit import command_line, serving
from servicekit.database import DatabaseUnavailable
from servicekit.problems import ProblemError
from wharf_auth import __version__, bootstrap
from wharf_auth import settings as auth_settings
from wharf_auth.accounts import secrets
from wharf_auth.commands.shared import database
from wharf_auth.provisioning import InitError, Initialiser
from wharf_auth.signing import SigningKeyError

NAME = "auth"
_SECRETS_SOCKET = "WHARF_AUTH_SECRETS_SOCKET"
# In which file of `commands` each is. It is imported when the command is given: only some of them
# need what the service's routes do.
_COMMANDS = {
    "audit": "audit",
    "backup": "backups",
    "client": "clients",
    "group": "groups",
    "keys": "keys",
    "purge": "audit",
    "restore": "backups",
    "tenant": "tenants",
    "ticket": "tickets",
    "user": "users",
}


def main() -> None:
    """Runs the command; a mistake of the operator is one line on standard error."""
    command_line.run(cli, "wharf-auth", _explain)


def _explain(error: Exception) -> str | None:
    from servicekit.database.backup_manifest import BackupError
    from wharf_auth.domain.tickets import TicketError
    from wharf_auth.key_rotation import RotationRefused

    # Each message is one line for the operator.
    if isinstance(error, BackupError | InitError | RotationRefused | SigningKeyError | TicketError):
        return str(error)
    if isinstance(error, ProblemError):
        return error.detail
    if isinstance(error, DatabaseUnavailable):
        return f"the database cannot be used ({_first_line(error)}); is `wharf-auth migrate` done?"
    return None


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0]


class _Commands(click.Group):
    """The commands of this file, and those that are imported when they are given."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names."""
        return sorted({*super().list_commands(ctx), *_COMMANDS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name."""
        if cmd_name not in _COMMANDS:
            return super().get_command(ctx, cmd_name)
        module = import_module(f"wharf_auth.commands.{_COMMANDS[cmd_name]}")
        found: click.Command = getattr(module, cmd_name)
        return found


@click.group(cls=_Commands)
@click.version_option(__version__)
def cli() -> None:
    """Wharf's auth service. Settings are read from the environment (WHARF_DATA, ...)."""


@cli.command()
def migrate() -> None:
    """Bring the database to the schema of this version."""
    _migrate()


def _migrate() -> None:
    settings = auth_settings.read()
    if bootstrap.is_migrated(settings):
        return
    # Alembic and SQLAlchemy cost a second and 40 MB: only a database that is behind needs them.
    import sqlalchemy.exc

    from servicekit.database import migrating

    try:
        migrating.upgrade(settings.effective_database_url, Path(__file__).parent / "migrations")
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise click.ClickException(f"cannot migrate the database: {_first_line(error)}") from None


@cli.command()
@click.option("--credentials", type=click.Path(path_type=Path), help="Where to leave them.")
@click.option("--no-demo", is_flag=True, help="Make no demo tenant.")
@click.option("--migrate", "migrates", is_flag=True, help="Migrate the database first.")
def init(credentials: Path | None, *, no_demo: bool, migrates: bool) -> None:
    """Make the first key, tenants and clients. May be run again: it does what is missing."""
    settings = auth_settings.read()
    if migrates:
        _migrate()
    _init(settings, credentials or settings.credentials_path, demo=settings.demo and not no_demo)


def _init(settings: auth_settings.Settings, credentials: Path, *, demo: bool) -> None:
    initialiser = Initialiser(
        bootstrap.sql_records(database(settings), settings),
        secrets.Hasher(),
        settings.keys_directory,
        credentials,
        time.time,
        settings.data,
    )
    for line in initialiser.run(demo=demo):
        click.echo(line)


@cli.command()
def serve() -> None:
    """Serve, in a container: prepare what is missing (WHARF_SERVE_PREPARES), then start uWSGI."""
    settings = auth_settings.read()
    serving.ini_file(NAME)
    if settings.serve_prepares:
        _migrate()
        _init(settings, settings.credentials_path, demo=settings.demo)
    sys.stdout.flush()
    serving.run_uwsgi(NAME, _sockets(os.environ))


def _sockets(environ: MutableMapping[str, str]) -> list[str]:
    """Return where uWSGI listens; the socket for secrets is beside the other one unless named."""
    main = environ.get("WHARF_AUTH_SOCKET", "")
    if main.startswith("/"):
        environ.setdefault(_SECRETS_SOCKET, os.path.join(os.path.dirname(main), "secrets.sock"))
    # uWSGI takes one that is there for one that is meant.
    secrets_socket = environ.pop(_SECRETS_SOCKET, "")
    if secrets_socket:
        environ[_SECRETS_SOCKET] = secrets_socket
    return [one for one in (main, secrets_socket) if one]
