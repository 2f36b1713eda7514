"""`wharf-auth`: what an operator does with the auth service."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import click
import msgspec

from servicekit import serving
from servicekit.database import DatabaseUnavailable
from servicekit.problems import NOT_FOUND, ProblemError
from servicekit.settings import SettingsError
from wharf_auth import __version__
from wharf_auth import settings as auth_settings
from wharf_auth.accounts import clients, secrets, tenants
from wharf_auth.commands.audit import audit, purge
from wharf_auth.commands.backups import backup, restore
from wharf_auth.commands.keys import keys
from wharf_auth.commands.shared import BY, PAGE, as_json, database, pages, records, show
from wharf_auth.commands.tickets import ticket
from wharf_auth.commands.users import user
from wharf_auth.database.contract import NoSuchClient, NoSuchTenant, TooManySecrets
from wharf_auth.database.sql import SqlRecords
from wharf_auth.domain.scopes import CLIENT_SCOPES
from wharf_auth.domain.tickets import TicketError
from wharf_auth.key_rotation import RotationRefused
from wharf_auth.provisioning import InitError, Initialiser
from wharf_auth.routes import clients as client_routes
from wharf_auth.routes import tenants as tenant_routes
from wharf_auth.signing import SigningKeyError

NAME = "auth"


def main() -> None:
    """Runs the command; a mistake of the operator is one line on standard error."""
    serving.end_on_term()
    os.umask(0o077)
    try:
        code = cli.main(standalone_mode=False, prog_name="wharf-auth")
        sys.exit(code if isinstance(code, int) else 0)
    except click.UsageError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        _stop(error.format_message())
    except click.Abort:
        sys.exit(130)
    except (SettingsError, SigningKeyError, InitError, RotationRefused, TicketError) as error:
        _stop(str(error))
    except ProblemError as error:
        _stop(error.detail)
    except DatabaseUnavailable as error:
        _stop(f"the database cannot be used ({_first_line(error)}); is `wharf-auth migrate` done?")
    except OSError as error:
        _stop(f"{error.filename or 'the system'}: {error.strerror}")


def _stop(line: str) -> None:
    print(f"wharf-auth: {line}", file=sys.stderr)
    sys.exit(1)


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0]


@click.group()
@click.version_option(__version__)
def cli() -> None:
    """Wharf's auth service. Settings are read from the environment (WHARF_DATA, ...)."""


@cli.command()
def migrate() -> None:
    """Bring the database to the schema of this version."""
    _migrate()


def _migrate() -> None:
    # Alembic and SQLAlchemy cost a second and 40 MB: only this command needs them.
    import sqlalchemy.exc

    from servicekit.database import migrating

    url = auth_settings.read().effective_database_url
    try:
        migrating.upgrade(url, Path(__file__).parent / "migrations")
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise click.ClickException(f"cannot migrate the database: {_first_line(error)}") from None


@cli.command()
@click.option("--credentials", type=click.Path(path_type=Path), help="Where to leave them.")
@click.option("--no-demo", is_flag=True, help="Make no demo tenant.")
def init(credentials: Path | None, *, no_demo: bool) -> None:
    """Make the first key, tenants and clients. May be run again: it does what is missing."""
    settings = auth_settings.read()
    _init(settings, credentials or settings.credentials_path, demo=settings.demo and not no_demo)


def _init(settings: auth_settings.Settings, credentials: Path, *, demo: bool) -> None:
    initialiser = Initialiser(
        SqlRecords(database(settings)),
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
    serving.run_uwsgi(NAME, [os.environ.get("WHARF_AUTH_SOCKET", "")])


@cli.group()
def tenant() -> None:
    """Tenants: the teams that use Wharf."""


@tenant.command("create")
@click.argument("name")
@click.option("--display-name", help="A name for people.")
@as_json
def tenant_create(name: str, display_name: str | None, *, machine: bool) -> None:
    """Create the tenant NAME."""
    made = tenants.create(records(), time.time, name, display_name, BY)
    show(tenant_routes.answer(made), f"created the tenant {name}", machine=machine)


@tenant.command("list")
@as_json
def tenant_list(*, machine: bool) -> None:
    """List all tenants."""
    kept = records()
    for found in pages(
        lambda after: kept.tenants(after=after, limit=PAGE), lambda one: one.name, ""
    ):
        shown = tenant_routes.answer(found)
        show(shown, f"{shown.tenant:32} {shown.state:10} {shown.display_name}", machine=machine)


@tenant.command("show")
@click.argument("name")
@as_json
def tenant_show(name: str, *, machine: bool) -> None:
    """Show the tenant NAME."""
    shown = tenant_routes.answer(tenants.read(records(), name))
    lines = "\n".join(f"{key}: {value}" for key, value in msgspec.structs.asdict(shown).items())
    show(shown, lines, machine=machine)


@tenant.command("suspend")
@click.argument("name")
def tenant_suspend(name: str) -> None:
    """Suspend the tenant NAME: no tokens, and nothing of it is served."""
    tenants.suspend(records(), time.time, name, BY)


@tenant.command("rename")
@click.argument("name")
@click.argument("display_name")
def tenant_rename(name: str, display_name: str) -> None:
    """Change the tenant's name for people."""
    tenants.rename(records(), time.time, name, display_name, BY)


@tenant.command("delete")
@click.argument("name")
def tenant_delete(name: str) -> None:
    """Delete the tenant NAME: refused at once, removed when the grace time is over."""
    kept = records()
    tenants.delete(kept, time.time, name, auth_settings.read().tenant_grace_seconds, BY)
    shown = tenant_routes.answer(tenants.read(kept, name))
    click.echo(f"deleted; `wharf-auth tenant resume {name}` undoes it until {shown.purge_at}")


@tenant.command("resume")
@click.argument("name")
def tenant_resume(name: str) -> None:
    """End the suspension, or within its grace time the deletion, of the tenant NAME."""
    tenants.resume(records(), time.time, name, BY)


@cli.group()
def client() -> None:
    """Clients: the programs of a tenant."""


@client.command("create")
@click.argument("tenant_name", metavar="TENANT")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    help=f"May be repeated: {' '.join(CLIENT_SCOPES)}.",
)
@as_json
def client_create(tenant_name: str, name: str, scopes: tuple[str, ...], *, machine: bool) -> None:
    """Create a client NAME of TENANT. Its secret is printed now and never again."""
    made, secret = clients.create(
        records(),
        secrets.Hasher(),
        time.time,
        tenant=tenant_name,
        name=name,
        wanted=scopes,
        by=BY,
    )
    shown = client_routes.with_secret(made, secret)
    show(shown, f"client_id: {made.id}\nclient_secret: {secret}", machine=machine)


@client.command("list")
@click.argument("tenant_name", metavar="TENANT")
@as_json
def client_list(tenant_name: str, *, machine: bool) -> None:
    """List the clients of TENANT."""
    kept = records()
    try:
        for found in pages(
            lambda after: kept.clients(tenant_name, after=after, limit=PAGE),
            lambda one: one.id,
            "",
        ):
            shown = client_routes.answer(found)
            line = f"{found.id:32} {shown.state:8} {found.name}: {' '.join(found.scopes)}"
            show(shown, line, machine=machine)
    except NoSuchTenant:
        raise NOT_FOUND("There is no such tenant.") from None


@client.command("disable")
@click.argument("tenant_name", metavar="TENANT")
@click.argument("client_id")
def client_disable(tenant_name: str, client_id: str) -> None:
    """Disable a client for good."""
    clients.disable(records(), time.time, tenant_name, client_id, BY)


@client.command("add-secret")
@click.argument("tenant_name", metavar="TENANT")
@click.argument("client_id")
@as_json
def client_add_secret(tenant_name: str, client_id: str, *, machine: bool) -> None:
    """Give a client a second secret, so that it can change over without a gap."""
    try:
        kept, secret = clients.add_secret(
            records(), secrets.Hasher(), time.time, tenant_name, client_id, BY
        )
    except NoSuchClient:
        raise NOT_FOUND("The tenant has no such client.") from None
    except TooManySecrets:
        raise click.ClickException("the client has two secrets already; retire one") from None
    shown = {"secret_id": kept.id, "client_id": client_id, "client_secret": secret}
    show(shown, "\n".join(f"{key}: {value}" for key, value in shown.items()), machine=machine)


@client.command("secrets")
@click.argument("client_id")
def client_secrets(client_id: str) -> None:
    """List a client's live secrets: id, last characters, moment of making."""
    login = records().login(client_id)
    if login is None:
        raise NOT_FOUND("There is no such client.")
    for one in login.secrets:
        click.echo(f"{one.id} …{one.hint} {tenant_routes.time_or_none(one.created_at)}")


@client.command("retire-secret")
@click.argument("tenant_name", metavar="TENANT")
@click.argument("client_id")
@click.argument("secret_id")
def client_retire_secret(tenant_name: str, client_id: str, secret_id: str) -> None:
    """End one of a client's secrets."""
    try:
        if not clients.retire_secret(records(), time.time, tenant_name, client_id, secret_id, BY):
            raise NOT_FOUND("The client has no such live secret.")
    except NoSuchClient:
        raise NOT_FOUND("The tenant has no such client.") from None


for one in (user, keys, ticket, audit, purge, backup, restore):
    cli.add_command(one)
