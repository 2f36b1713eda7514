"""Hears what senders tell, in an asyncio loop of any kind; goes on whatever fails."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path

import msgspec

from wharf_upload.notices.messages import CHANNEL, MAX_FRAME_BYTES, Notice, read_frame
from wharf_upload.notices.places import redis_url, socket_path

log = logging.getLogger(__name__)
_AGAIN_SECONDS = 1.0
# How often it is looked whether senders still reach somebody.
_LOOK_SECONDS = 5.0
_ANSWER_SECONDS, _PING_SECONDS = 5.0, 15.0
# After so many datagrams the rest of the loop has its turn.
_A_TURN = 100
_BUFFER_BYTES = 1 << 20
Receive = Callable[[Notice], None]


async def listen(where: str, receive: Receive, stop: asyncio.Event) -> None:
    """Give each notice that comes to a place to `receive`, until `stop` is set.

    `receive` is called in the loop and must not wait; what it raises is logged.
    """
    path = socket_path(where)
    hear = _subscribed(where, receive) if path is None else _Socket(Path(path), receive).hear()
    hearing = asyncio.create_task(hear, name="notices")
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((hearing, stopping), return_when=asyncio.FIRST_COMPLETED)
        if hearing.done():
            hearing.result()
    finally:
        for task in (hearing, stopping):
            task.cancel()
        await asyncio.gather(hearing, stopping, return_exceptions=True)


def _hand_over(frame: bytes, receive: Receive) -> None:
    try:
        notices = read_frame(frame)
    except msgspec.DecodeError as error:
        # Of another release, perhaps.
        log.info("a frame of notices cannot be read: %s", error)
        return
    for notice in notices:
        try:
            receive(notice)
        except Exception:
            log.exception("a notice was not dealt with")


class _Failures:
    """Logs the first of several failures in a row."""

    def __init__(self) -> None:
        self._said = False

    def note(self, where: str, error: BaseException) -> None:
        if not self._said:
            self._said = True
            log.warning("notices of %s are not heard: %s", where, error)

    def end(self) -> None:
        self._said = False


# ---- by datagrams ----


class _Socket:
    """The datagram socket at a path; the process that came last has it.

    The path is never removed: where nobody has it open, senders are refused and go on. So a process
    that ends cannot take the socket of its successor away.
    """

    def __init__(self, path: Path, receive: Receive) -> None:
        self._path, self._receive = path, receive
        self._socket: socket.socket | None = None

    async def hear(self) -> None:
        """Take the path over, and once more whenever nobody has it any more."""
        failures, wanted = _Failures(), True
        try:
            while True:
                try:
                    if wanted or not _is_heard(self._path):
                        self._take()
                        wanted = False
                    failures.end()
                except OSError as error:
                    failures.note(str(self._path), error)
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            self._close()

    def _take(self) -> None:
        self._close()
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            made.setblocking(False)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
            # Beside it first: from the moment it can be found, it is ours alone.
            beside = self._path.with_name(f".{self._path.name}{os.getpid()}")
            beside.unlink(missing_ok=True)
            made.bind(str(beside))
            beside.chmod(0o600)
            beside.rename(self._path)
        except BaseException:
            made.close()
            raise
        self._socket = made
        asyncio.get_running_loop().add_reader(made, self._read, made)

    def _read(self, ours: socket.socket) -> None:
        for _ in range(_A_TURN):
            try:
                frame = ours.recv(MAX_FRAME_BYTES)
            except OSError:
                return
            _hand_over(frame, self._receive)

    def _close(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None


def _is_heard(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(str(path))
        except OSError:
            return False
    return True


# ---- by Redis ----


async def _subscribed(where: str, receive: Receive) -> None:
    """Hear what is published, for ever; subscribe again when the connection was lost."""
    # Importing redis-py takes 8 MB: only where it is used.
    from redis import RedisError

    failures = _Failures()
    while True:
        try:
            await _hear_channel(where, receive, failures)
        except (RedisError, OSError) as error:
            failures.note("Redis", error)
        await asyncio.sleep(_AGAIN_SECONDS)


async def _hear_channel(where: str, receive: Receive, failures: _Failures) -> None:
    from redis.asyncio import Redis

    client = Redis.from_url(
        redis_url(where),
        socket_timeout=_ANSWER_SECONDS,
        socket_connect_timeout=_ANSWER_SECONDS,
        health_check_interval=_PING_SECONDS,
    )
    async with client, client.pubsub(ignore_subscribe_messages=True) as channel:
        await channel.subscribe(CHANNEL)
        while True:
            # In between a connection that died without a word is found out.
            message = await channel.get_message(timeout=_PING_SECONDS)
            failures.end()
            if message is not None:
                _hand_over(message["data"], receive)
