"""Opens what keeps sessions, tokens and the secret of forms, as `WHARF_CONSOLE_SESSIONS` says."""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flask import Flask

from wharf_console.sessions import interface
from wharf_console.sessions.file_records import FileRecords
from wharf_console.sessions.records import TokenRecords

# Each sweep reads the head of every session's file.
_SWEEP_SECONDS = 600.0


@dataclass(frozen=True)
class SessionStores:
    """What remembers who is logged in.

    Attributes:
        records: keeps the tokens of people.
        secret: signs what forms prove themselves with; the same for all consoles on these stores.
        install: makes an application keep its sessions here.
        check: raises, or returns an explanation, where sessions cannot be kept now.
        sweep: removes what has ended; cheap enough for now and then.
        errors: what is raised where sessions cannot be had now.
    """

    records: TokenRecords
    secret: bytes
    install: Callable[[Flask], None]
    check: Callable[[], str | None]
    sweep: Callable[[], None]
    errors: tuple[type[Exception], ...] = ()


class StoresAway(Exception):
    """The stores cannot be opened; the message is one line for the operator."""


def open_stores(url: str, folder: Path, *, idle_seconds: int, is_https: bool) -> SessionStores:
    """Return the stores: files below the folder for `file`, else those of Redis."""
    if url == "file":
        return _files(folder, idle_seconds, is_https=is_https)
    return _redis(url, idle_seconds, is_https=is_https)


def _files(folder: Path, idle_seconds: int, *, is_https: bool) -> SessionStores:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    files = interface.SessionFiles(folder / "sessions")
    records = FileRecords(folder / "tokens")

    def install(app: Flask) -> None:
        app.session_interface = interface.in_files(files, is_https=is_https)

    def check() -> str | None:
        return None if os.access(folder, os.W_OK) else "its folder cannot be written"

    swept_at = 0.0

    def sweep() -> None:
        nonlocal swept_at
        if time.monotonic() - swept_at < _SWEEP_SECONDS:
            return
        swept_at = time.monotonic()
        files.sweep()
        records.sweep(idle_seconds)

    return SessionStores(records, _secret_file(folder / "secret"), install, check, sweep)


def _secret_file(path: Path) -> bytes:
    """Return what the file holds; it is made once, however many start at the same time."""
    descriptor, new = tempfile.mkstemp(prefix=".secret-", dir=path.parent)
    try:
        os.write(descriptor, secrets.token_bytes(32))
        os.fsync(descriptor)
        os.link(new, path)
    except FileExistsError:
        pass
    finally:
        os.close(descriptor)
        os.unlink(new)
    return path.read_bytes()


def _redis(url: str, idle_seconds: int, *, is_https: bool) -> SessionStores:
    # 8 MB, which consoles on files need not have.
    from wharf_console.sessions import redis_stores

    client = redis_stores.client_of(url)

    def install(app: Flask) -> None:
        app.session_interface = redis_stores.sessions_in(client, app, is_https=is_https)

    def check() -> str | None:
        client.ping()
        return None

    try:
        secret = redis_stores.secret_in(client)
    except redis_stores.ERRORS as error:
        raise StoresAway(f"WHARF_CONSOLE_SESSIONS: Redis does not answer ({error})") from None
    return SessionStores(
        redis_stores.RedisRecords(client, idle_seconds),
        secret,
        install,
        check,
        lambda: None,
        redis_stores.ERRORS,
    )
