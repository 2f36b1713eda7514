"""The command `wharf-auth`, with which an operator manages the auth service."""

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
# The module of `commands` for each command. A module is imported only when its command runs, since
# most commands do not need the imports of the others.
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
    """Run the command; print a mistake of the operator as one line on standard error."""
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
        return f"the database cannot be used ({_first_line(error)}); has `wharf-auth migrate` run?"
    return None


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0]


class _Commands(click.Group):
    """The group of all commands; it imports the module of a command when the command runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted({*super().list_commands(ctx), *_COMMANDS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command with this name, or `None`."""
        if cmd_name not in _COMMANDS:
            return super().get_command(ctx, cmd_name)
        module = import_module(f"wharf_auth.commands.{_COMMANDS[cmd_name]}")
        found: click.Command = getattr(module, cmd_name)
        return found


@click.group(cls=_Commands)
@click.version_option(__version__)
def cli() -> None:
    """Manage Wharf's auth service. Settings come from the environment (WHARF_DATA, ...)."""


@cli.command()
def migrate() -> None:
    """Migrate the database to the schema of this version."""
    _migrate()


def _migrate() -> None:
    settings = auth_settings.read()
    if bootstrap.is_migrated(settings):
        return
    # Alembic and SQLAlchemy cost a second and 40 MB, so they are imported only if the database has
    # an older schema.
    import sqlalchemy.exc

    from servicekit.database import migrating

    try:
        migrating.upgrade(settings.effective_database_url, Path(__file__).parent / "migrations")
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise click.ClickException(f"cannot migrate the database: {_first_line(error)}") from None


@cli.command()
@click.option(
    "--credentials", type=click.Path(path_type=Path), help="The file for the credentials."
)
@click.option("--no-demo", is_flag=True, help="Create no demo tenant.")
@click.option("--migrate", "migrates", is_flag=True, help="Migrate the database first.")
def init(credentials: Path | None, *, no_demo: bool, migrates: bool) -> None:
    """Create the first key, tenants and clients. A second run creates only missing ones."""
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
    """Run the service in a container: migrate and init (WHARF_SERVE_PREPARES), then start uWSGI."""
    settings = auth_settings.read()
    serving.ini_file(NAME)
    if settings.serve_prepares:
        _migrate()
        _init(settings, settings.credentials_path, demo=settings.demo)
    sys.stdout.flush()
    serving.run_uwsgi(NAME, _sockets(os.environ))


def _sockets(environ: MutableMapping[str, str]) -> list[str]:
    """Return the sockets that uWSGI listens on; set or remove the variable of the second socket.

    By default the second socket, for secrets, is in the folder of the main socket.
    """
    main = environ.get("WHARF_AUTH_SOCKET", "")
    if main.startswith("/"):
        environ.setdefault(_SECRETS_SOCKET, os.path.join(os.path.dirname(main), "secrets.sock"))
    # uWSGI checks only whether the variable exists, so an empty one is removed.
    secrets_socket = environ.pop(_SECRETS_SOCKET, "")
    if secrets_socket:
        environ[_SECRETS_SOCKET] = secrets_socket
    return [one for one in (main, secrets_socket) if one]
