"""The construction of auth's parts from its settings; tests pass other records and a clock."""

from __future__ import annotations

import time

from servicekit.database import Database, open_database, revisions
from servicekit.tokens import Verifier
from wharf_auth import key_rotation
from wharf_auth.accounts.housekeeping import AuditPruning, Housekeeping, LoginPruning
from wharf_auth.accounts.login_attacks import LoginAttacks
from wharf_auth.accounts.login_throttle import LoginThrottle
from wharf_auth.accounts.revocation_checker import DatabaseRevocationChecker
from wharf_auth.accounts.secret_lane import SecretLane
from wharf_auth.accounts.secrets import Hasher
from wharf_auth.accounts.sessions import Lifetimes, SessionService
from wharf_auth.accounts.users import UserService
from wharf_auth.context import AppContext
from wharf_auth.database.contract import Records
from wharf_auth.database.login_tries import SqlLoginTries
from wharf_auth.database.sql import SCHEMA, VERSION_TABLE, SqlRecords
from wharf_auth.domain.acts import SERVICE, Actor
from wharf_auth.domain.clock import Clock
from wharf_auth.domain.tokens import (
    AUTH_AUDIENCE,
    LIVE_AUDIENCE,
    MAX_TOKEN_TTL_SECONDS,
    UPLOAD_AUDIENCE,
)
from wharf_auth.settings import TRIES, Settings
from wharf_auth.signing import KeyRing

# The most connections of one process to PostgreSQL. A process has more threads than connections: a
# request that waits in the lane of secrets has a thread and no connection. docs/scaling.md uses
# this number.
_MOST_CONNECTIONS = 4


def app_context(
    settings: Settings,
    *,
    records: Records | None = None,
    keys: KeyRing | None = None,
    clock: Clock = time.time,
) -> AppContext:
    """Build all parts that the routes use; raise `SigningKeyError`."""
    ring = keys or key_ring(settings, clock)
    opened = database(settings)
    kept = records or sql_records(opened, settings)
    tries = login_tries(settings, opened)
    hasher = Hasher(SecretLane(settings.password_hashes_at_once))
    lifetimes = Lifetimes(settings.session_lifetime_seconds, settings.session_idle_seconds)
    return AppContext(
        settings=settings,
        records=kept,
        users=UserService(kept, hasher, clock),
        sessions=SessionService(kept, hasher, clock, lifetimes),
        revocations=DatabaseRevocationChecker(kept),
        housekeeping=Housekeeping(
            kept,
            clock,
            lambda: key_rotation.sweep(ring, kept, clock, Actor(SERVICE)),
            AuditPruning(kept, clock, settings.audit_retention_days).run,
            LoginPruning(tries, kept, clock).run,
        ),
        keys=ring,
        hasher=hasher,
        throttle=LoginThrottle(tries, kept, clock, settings.login_limits),
        attacks=LoginAttacks(tries, kept, clock),
        auth_verifier=_verifier(ring, AUTH_AUDIENCE, settings, clock),
        upload_verifier=_verifier(ring, UPLOAD_AUDIENCE, settings, clock),
        live_verifier=_verifier(ring, LIVE_AUDIENCE, settings, clock),
        clock=clock,
    )


def database(settings: Settings) -> Database:
    """Open the database of the settings."""
    durable = settings.durability == "full"
    return open_database(
        settings.effective_database_url, durable=durable, most_connections=_MOST_CONNECTIONS
    )


def is_migrated(settings: Settings) -> bool:
    """Tell whether the database has exactly the schema of this version."""
    return revisions.is_at(settings.effective_database_url, VERSION_TABLE, SCHEMA)


def sql_records(opened: Database, settings: Settings) -> SqlRecords:
    """Return the records in an open database."""
    return SqlRecords(opened, settings.link_max_seconds, settings.tenant_limits)


def key_ring(settings: Settings, clock: Clock = time.time) -> KeyRing:
    """Load the signing keys; raise `SigningKeyError`."""
    return KeyRing(settings.keys_directory, clock, settings.longest_token_seconds)


def login_tries(settings: Settings, opened: Database) -> SqlLoginTries:
    """Return the records of login tries; `opened` is the database of the other records.

    With SQLite the tries are in a separate file, which no transaction syncs to disk. The function
    deletes such files from before the last start of the machine.
    """
    if opened.dialect != "sqlite":
        return SqlLoginTries(opened)
    file = settings.tries_file
    # The folder may not exist, since the database may be in another place (WHARF_DATABASE_URL).
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in file.parent.glob(f"{TRIES}*"):
        if not old.name.startswith(file.name):
            old.unlink(missing_ok=True)
    return SqlLoginTries(open_database(f"sqlite:///{file}", durable=False), makes_table=True)


def _verifier(keys: KeyRing, audience: str, settings: Settings, clock: Clock) -> Verifier:
    return Verifier(
        keys,
        issuer=settings.issuer,
        audience=audience,
        max_lifetime_seconds=MAX_TOKEN_TTL_SECONDS,
        clock=clock,
    )
