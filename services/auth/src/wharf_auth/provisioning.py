"""`wharf-auth init`: the first key, the first tenants and the credentials to begin with.

May be run at every start. The credentials file is written before the rows, so an interrupted run
leaves a file whose secrets the next run takes up; and a file that was put in place beforehand
decides what the secrets are.
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
    """What the operator has to put right; the message is one line."""


class Entry(msgspec.Struct, omit_defaults=True):
    """A client in the credentials file; `demo` names the first person, too, with a password."""

    client_id: str
    client_secret: str
    tenant: str | None = None
    username: str | None = None
    password: str | None = None


@dataclass(frozen=True)
class Seed:
    """A client that `init` makes. Its id is fixed, so that a second run finds it."""

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
    """Brings an installation to the state in which it can be used."""

    records: Records
    hasher: secrets.Hasher
    keys_directory: Path
    credentials: Path
    clock: Clock
    # Where this and other starts at the same moment take turns.
    data: Path

    def run(self, *, demo: bool = True) -> list[str]:
        """Does what is missing; returns lines that say what was done."""
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
        """Whether the client has to be made, or to be given the secret of the file."""
        login = self.records.login(seed.client_id)
        if login is None:
            tenant = self.records.tenant(seed.tenant)
            # Nor does whoever deleted the tenant.
            return tenant is None or tenant.deleted_at is None
        if login.client.disabled_at is not None:
            # Whoever disabled it does not want it back at the next start.
            return False
        entry = entries.get(seed.entry)
        if entry is None:
            # The client was made at an earlier start; whoever took the file away has the secret,
            # or makes another with `wharf-auth client add-secret`.
            return False
        if self.hasher.matching(entry.client_secret, login.secrets):
            return False
        if len(login.secrets) >= MAX_LIVE_SECRETS:
            raise InitError(
                f"{self.credentials} does not hold a valid secret of {seed.client_id}, which has "
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
            return [f"gave the client {seed.client_id} another secret"]
        # The tenant may be there already, from an interrupted run.
        with suppress(NameTaken):
            self.records.add_tenant(
                Tenant(seed.tenant, seed.display_name, now),
                by.does("tenants.create", tenant=seed.tenant, about=seed.tenant, at=now),
            )
        # Before the client: an interrupted run is known by the client that is not there.
        done = self._add_person(seed, entry)
        with limits.as_problems():
            self.records.add_client(
                Client(seed.client_id, seed.tenant, seed.display_name, seed.scopes, now),
                secret,
                by.does("clients.create", tenant=seed.tenant, about=seed.client_id, at=now),
            )
        return [*done, f"made the client {seed.client_id} of the tenant {seed.tenant}"]

    def _add_person(self, seed: Seed, entry: Entry) -> list[str]:
        """Make the first person of a tenant, where the file names one; return what was done."""
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
    """The entries of the file, none when there is no file; raises `InitError`."""
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
    """Replaces the file at once, readable by its owner only; raises `InitError`.

    Members that a newer release has written stay.
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
    """Several starts at once: the first one works, the others find it done."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with file_lock.held(directory / "init.lock"):
        yield
