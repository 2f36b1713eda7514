"""The work of `wharf-auth init`: it creates the first key, tenants, clients and credentials.

The command may run at every start, and it writes the credentials file before the rows. So after an
interrupted run, the next run uses the secrets in the file. An operator may also create the file
before the first run, to choose the secrets.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from servicekit import file_lock
from servicekit.problems import ProblemError
from wharf_auth import private_files, signing
from wharf_auth.accounts import clients, limits, passwords, secrets
from wharf_auth.accounts.tenants import ADMIN_TENANT
from wharf_auth.accounts.users import NewUser, UserService
from wharf_auth.database.contract import (
    MAX_LIVE_SECRETS,
    Client,
    NameTaken,
    Records,
    Tenant,
)
from wharf_auth.domain.acts import CLI, Actor
from wharf_auth.domain.clock import Clock, milliseconds
from wharf_auth.domain.scopes import ADMIN_SCOPE
from wharf_auth.problems import USER_EXISTS

DEMO_TENANT = DEMO_USERNAME = "demo"
FILE_SCOPES = ("files:read", "files:write", "files:delete", "buckets:admin")


class InitError(Exception):
    """A mistake that the operator has to correct; the message is one line."""


class Entry(msgspec.Struct, omit_defaults=True):
    """A client in the credentials file; the entry `demo` also has a person with a password."""

    client_id: str
    client_secret: str
    tenant: str | None = None
    username: str | None = None
    password: str | None = None


@dataclass(frozen=True)
class Seed:
    """A client that `init` creates with a fixed id, so that a second run finds the client."""

    entry: str
    client_id: str
    tenant: str
    display_name: str
    scopes: tuple[str, ...]


ADMIN = Seed(
    "admin", "wharf-admin", ADMIN_TENANT, "Wharf administration", (*FILE_SCOPES, ADMIN_SCOPE)
)
DEMO = Seed("demo", "wharf-demo", DEMO_TENANT, "Demo", FILE_SCOPES)


@dataclass
class Initialiser:
    """The work of `init`: it creates everything that a new installation needs."""

    records: Records
    hasher: secrets.Hasher
    keys_directory: Path
    credentials: Path
    clock: Clock
    # The data folder; concurrent starts wait for each other with a lock file in it.
    data: Path

    def run(self, *, demo: bool = True) -> list[str]:
        """Create what is missing; return a line for each created object."""
        with _one_at_a_time(self.data / "auth"):
            done = self._ensure_key()
            seeds = (ADMIN, DEMO) if demo else (ADMIN,)
            entries = read_credentials(self.credentials)
            before = dict(entries)
            wanted = [seed for seed in seeds if self._needs_secret(seed, entries)]
            for seed in wanted:
                if seed.entry not in entries:
                    entries[seed.entry] = _new_entry(seed)
            if entries != before:
                write_credentials(self.credentials, entries)
                done.append(f"credentials are in {self.credentials}")
            for seed in wanted:
                done += self._keep(seed, entries[seed.entry])
            return done

    def _ensure_key(self) -> list[str]:
        directory = self.keys_directory
        if directory.is_dir() and any(directory.glob(f"*{signing.SUFFIX}")):
            signing.load(directory)
            return []
        return [f"made the signing key {signing.create(directory)}"]

    def _needs_secret(self, seed: Seed, entries: dict[str, Entry]) -> bool:
        """Tell whether `init` has to create the client, or to add the secret of the file to it."""
        login = self.records.login(seed.client_id)
        if login is None:
            tenant = self.records.tenant(seed.tenant)
            # An operator who deleted the tenant does not want its client back.
            return tenant is None or tenant.deleted_at is None
        if login.client.disabled_at is not None:
            # An operator who disabled the client does not want it back at the next start.
            return False
        entry = entries.get(seed.entry)
        if entry is None:
            # An earlier start created the client. The operator who removed the file has the secret,
            # or can add another secret with `wharf-auth client add-secret`.
            return False
        if self.hasher.matching(entry.client_secret, login.secrets):
            return False
        if len(login.secrets) >= MAX_LIVE_SECRETS:
            raise InitError(
                f"{self.credentials} does not have a valid secret of {seed.client_id}, which has "
                f"{MAX_LIVE_SECRETS} others; retire one with `wharf-auth client retire-secret`"
            )
        return True

    def _keep(self, seed: Seed, entry: Entry) -> list[str]:
        now, by = milliseconds(self.clock), Actor(CLI)
        secret = clients.new_secret(entry.client_secret, self.hasher, now)
        if self.records.login(seed.client_id) is not None:
            self.records.add_secret(
                seed.tenant,
                seed.client_id,
                secret,
                by.does("clients.add-secret", tenant=seed.tenant, about=seed.client_id, at=now),
            )
            return [f"added a secret to the client {seed.client_id}"]
        # The tenant may exist already, from an interrupted run.
        with suppress(NameTaken):
            self.records.add_tenant(
                Tenant(seed.tenant, seed.display_name, now),
                by.does("tenants.create", tenant=seed.tenant, about=seed.tenant, at=now),
            )
        # The person is created before the client: a missing client shows an interrupted run.
        done = self._add_person(seed, entry)
        with limits.as_problems():
            self.records.add_client(
                Client(seed.client_id, seed.tenant, seed.display_name, seed.scopes, now),
                secret,
                by.does("clients.create", tenant=seed.tenant, about=seed.client_id, at=now),
            )
        return [*done, f"made the client {seed.client_id} of the tenant {seed.tenant}"]

    def _add_person(self, seed: Seed, entry: Entry) -> list[str]:
        """Create the first person of a tenant if the file names one; return output lines."""
        if not entry.username or not entry.password:
            return []
        new = NewUser(
            seed.tenant, entry.username, "owner", seed.display_name, password=entry.password
        )
        try:
            UserService(self.records, self.hasher, self.clock).create(new, Actor(CLI))
        except ProblemError as error:
            if error.problem is USER_EXISTS:
                return []
            raise InitError(f"{self.credentials}: {seed.entry}: {error.detail}") from None
        return [f"made the user {entry.username} of the tenant {seed.tenant}"]


def _new_entry(seed: Seed) -> Entry:
    entry = Entry(seed.client_id, secrets.new_secret())
    if seed is DEMO:
        entry.tenant, entry.username = seed.tenant, DEMO_USERNAME
        entry.password = passwords.generated()
    return entry


def read_credentials(path: Path) -> dict[str, Entry]:
    """Return the entries of the file, or none without a file; raise `InitError`."""
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_mode & stat.S_IRWXO:
                raise InitError(f"{path} is open to all users; its mode must be 600")
            entries = msgspec.json.decode(file.read(), type=dict[str, Entry])
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InitError(f"{path} cannot be read: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise InitError(f"{path} is not a credentials file: {error}") from None
    for name, seed in (("admin", ADMIN), ("demo", DEMO)):
        entry = entries.get(name)
        if entry is None:
            continue
        if entry.client_id != seed.client_id:
            raise InitError(f"{path}: the client_id of {name} must be {seed.client_id}")
        if len(entry.client_secret) < secrets.MIN_SECRET_CHARACTERS:
            raise InitError(
                f"{path}: the secret of {name} is weak: it has fewer than "
                f"{secrets.MIN_SECRET_CHARACTERS} characters"
            )
    return entries


def write_credentials(path: Path, entries: dict[str, Entry]) -> None:
    """Replace the file atomically, readable by its owner only; raise `InitError`.

    Members that a newer release has written stay in the file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = msgspec.json.decode(path.read_bytes()) if path.exists() else {}
        merged = {
            name: {**kept.get(name, {}), **msgspec.to_builtins(entry)}
            for name, entry in entries.items()
        }
        text = msgspec.json.format(msgspec.json.encode(merged), indent=2) + b"\n"
        private_files.write(path, text)
    except OSError as error:
        raise InitError(f"{path} cannot be written: {error.strerror}") from None


@contextmanager
def _one_at_a_time(directory: Path) -> Iterator[None]:
    """Hold a lock file, so that concurrent starts run one after the other."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with file_lock.held(directory / "init.lock"):
        yield
