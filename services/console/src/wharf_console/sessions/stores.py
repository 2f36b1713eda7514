"""Opens what keeps sessions, tokens and the secret of forms, as `WHARF_CONSOLE_SESSIONS` says."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask
from redis import Redis

from wharf_console.sessions import interface
from wharf_console.sessions.file_records import FileRecords
from wharf_console.sessions.records import TokenRecords
from wharf_console.sessions.redis_records import RedisRecords

_SECRET_NAME = "wharf:console:secret"  # noqa: S105 -- the name of one
_REDIS_SECONDS = 2.0


@dataclass(frozen=True)
class SessionStores:
    """What remembers who is logged in.

    Attributes:
        records: keeps the tokens of people.
        secret: signs what forms prove themselves with; the same for all consoles on these stores.
        install: makes an application keep its sessions here.
        check: raises, or returns an explanation, where sessions cannot be kept now.
        sweep: removes what has ended; cheap enough for now and then.
    """

    records: TokenRecords
    secret: bytes
    install: Callable[[Flask], None]
    check: Callable[[], str | None]
    sweep: Callable[[], None]


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

    def sweep() -> None:
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
    # As `WHARF_LIMITS_URL` has it.
    url = url.replace("redis+unix://", "unix://", 1)
    client = Redis.from_url(
        url, socket_timeout=_REDIS_SECONDS, socket_connect_timeout=_REDIS_SECONDS
    )

    def install(app: Flask) -> None:
        app.session_interface = interface.in_redis(app, client, is_https=is_https)

    def check() -> str | None:
        client.ping()
        return None

    return SessionStores(
        RedisRecords(client, idle_seconds), _redis_secret(client), install, check, lambda: None
    )


def _redis_secret(client: Redis) -> bytes:
    """Return the secret that all consoles on this Redis have; the first one makes it."""
    client.set(_SECRET_NAME, secrets.token_bytes(32), nx=True)
    # redis-py declares one type for its clients with and without asyncio.
    found: Any = client.get(_SECRET_NAME)
    return bytes(found)
