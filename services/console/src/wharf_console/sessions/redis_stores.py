"""Sessions and token records in Redis, for consoles on several machines.

Redis must not evict keys (`noeviction`). The import of redis-py needs 8 MB, so this module is
imported only where it is used.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Iterator
from typing import Any

import msgspec
from flask import Flask
from flask_session.base import ServerSideSession
from flask_session.redis import RedisSessionInterface
from redis import Redis
from redis.exceptions import LockError, RedisError

from wharf_console.sessions.interface import PREFIX, ConsoleCookies
from wharf_console.sessions.records import RecordBusy, TokenRecord, decoded, encoded

_TOKENS = "wharf:console:tokens:"
_SECRET = "wharf:console:secret"  # noqa: S105 -- the name of a secret
_ANSWER_SECONDS = 2.0
# Longer than the timeout of a call of the API. A lock that expires earlier would allow two
# concurrent refreshes.
_LOCK_SECONDS = 60.0
_WAIT_SECONDS = 25.0
_POLL_SECONDS = 0.05
#: The exceptions for a Redis that does not respond.
ERRORS = (RedisError,)


class RedisRecords:
    """Token records under digests of their ids; a record expires after `idle_seconds`."""

    def __init__(self, client: Redis, idle_seconds: int) -> None:
        self._client, self._idle_seconds = client, idle_seconds

    def read(self, record_id: str) -> TokenRecord | None:
        """Return the record, or `None` if it does not exist."""
        # redis-py declares one type for its clients with and without asyncio.
        found: Any = self._client.get(_name(record_id))
        return None if found is None else decoded(found)

    def write(self, record_id: str, record: TokenRecord) -> None:
        """Store the record."""
        self._client.set(_name(record_id), encoded(record), ex=self._idle_seconds)

    def delete(self, record_id: str) -> None:
        """Delete the record."""
        self._client.delete(_name(record_id))

    @contextlib.contextmanager
    def locked(self, record_id: str) -> Iterator[None]:
        """Hold the lock (`SET NX PX`) during the block; raises `RecordBusy`."""
        lock = self._client.lock(
            _name(record_id) + ":lock",
            timeout=_LOCK_SECONDS,
            sleep=_POLL_SECONDS,
            blocking_timeout=_WAIT_SECONDS,
        )
        if not lock.acquire():
            raise RecordBusy
        try:
            yield
        finally:
            # The lock may have expired; then another request may have it now.
            with contextlib.suppress(LockError):
                lock.release()


class RedisSessions(ConsoleCookies, RedisSessionInterface):  # type: ignore[misc] # it has no types
    """Sessions in Redis."""


class _Msgpack:
    """A serializer without pickles, which could execute code.

    Flask-Session's serializer reads pickles.
    """

    def encode(self, session: ServerSideSession) -> bytes:
        return msgspec.msgpack.encode(dict(session))

    def decode(self, serialized_data: bytes) -> dict[str, Any] | None:
        with contextlib.suppress(msgspec.DecodeError):
            return msgspec.msgpack.decode(serialized_data, type=dict[str, Any])
        return None


def client_of(url: str) -> Redis:
    """Return a client; `redis+unix://` means a unix socket, as in `WHARF_LIMITS_URL`."""
    return Redis.from_url(
        url.replace("redis+unix://", "unix://", 1),
        socket_timeout=_ANSWER_SECONDS,
        socket_connect_timeout=_ANSWER_SECONDS,
    )


def sessions_in(client: Redis, app: Flask, *, is_https: bool) -> RedisSessions:
    """Return the interface that stores an application's sessions."""
    made = RedisSessions(app, client=client, key_prefix=PREFIX, permanent=True)
    made.serializer, made.is_https = _Msgpack(), is_https
    return made


def secret_in(client: Redis) -> bytes:
    """Return the secret that all consoles with this Redis share; the first console makes it."""
    client.set(_SECRET, secrets.token_bytes(32), nx=True)
    # redis-py declares one type for its clients with and without asyncio.
    found: Any = client.get(_SECRET)
    return bytes(found)


def _name(record_id: str) -> str:
    return _TOKENS + hashlib.sha256(record_id.encode()).hexdigest()
