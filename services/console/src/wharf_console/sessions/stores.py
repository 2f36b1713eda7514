"""Opens the stores of sessions, tokens and the forms' secret, by `WHARF_CONSOLE_SESSIONS`."""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from flask import Flask

from wharf_console.sessions import interface
from wharf_console.sessions.file_records import FileRecords
from wharf_console.sessions.records import TokenRecords

# The pause between two sweeps, because a sweep reads the head of every session's file.
_SWEEP_SECONDS = 600.0


@dataclass(frozen=True)
class SessionStores:
    """The stores of sessions.

    Attributes:
        records: the store of people's tokens.
        secret: returns the key that signs CSRF tokens, the same for all consoles with these
            stores. Raises if the store does not respond.
        install: makes an application store its sessions here.
        check: raises, or returns an explanation, if sessions cannot be stored now.
        sweep: removes expired sessions; it may be called after each request.
        errors: the exceptions for a store that does not respond.
    """

    records: TokenRecords
    secret: Callable[[], bytes]
    install: Callable[[Flask], None]
    check: Callable[[], str | None]
    sweep: Callable[[], None]
    errors: tuple[type[Exception], ...] = ()


def open_stores(url: str, folder: Path, *, idle_seconds: int, is_https: bool) -> SessionStores:
    """Return the stores: files below the folder for `file`, else Redis."""
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
        return None if os.access(folder, os.W_OK) else "the console cannot write to its folder"

    swept_at = 0.0

    def sweep() -> None:
        nonlocal swept_at
        if time.monotonic() - swept_at < _SWEEP_SECONDS:
            return
        swept_at = time.monotonic()
        files.sweep()
        records.sweep(idle_seconds)

    secret = _secret_file(folder / "secret")
    return SessionStores(records, lambda: secret, install, check, sweep)


def _secret_file(path: Path) -> bytes:
    """Return the content of the file; only the first of concurrent processes creates it."""
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
    # The import is here because it needs 8 MB, and consoles with files do not need it.
    from wharf_console.sessions import redis_stores

    client = redis_stores.client_of(url)

    def install(app: Flask) -> None:
        app.session_interface = redis_stores.sessions_in(client, app, is_https=is_https)

    def check() -> str | None:
        client.ping()
        return None

    # Read at the first request, so that a console can start without Redis.
    secret = cache(partial(redis_stores.secret_in, client))
    return SessionStores(
        redis_stores.RedisRecords(client, idle_seconds),
        secret,
        install,
        check,
        lambda: None,
        redis_stores.ERRORS,
    )
