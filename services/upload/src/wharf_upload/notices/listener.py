"""The listener: receives notices in an asyncio loop and continues after any failure."""

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
# How often the listener checks whether the socket at the path is still open in some process.
_LOOK_SECONDS = 5.0
_ANSWER_SECONDS, _PING_SECONDS = 5.0, 15.0
# After this many datagrams the other tasks of the loop run.
_A_TURN = 100
_BUFFER_BYTES = 1 << 20
Receive = Callable[[Notice], None]


async def listen(where: str, receive: Receive, stop: asyncio.Event) -> None:
    """Pass each notice that arrives at a place to `receive`, until `stop` is set.

    The loop calls `receive`, which must not block. An exception from `receive` is logged.
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
        # Another release may have sent this frame.
        log.info("a frame of notices cannot be read: %s", error)
        return
    for notice in notices:
        try:
            receive(notice)
        except Exception:
            log.exception("the processing of a notice failed")


class _Failures:
    """Logs the first of several failures in a row."""

    def __init__(self) -> None:
        self._said = False

    def note(self, where: str, error: BaseException) -> None:
        if not self._said:
            self._said = True
            log.warning("notices from %s cannot be received: %s", where, error)

    def end(self) -> None:
        self._said = False


# ---- by datagrams ----


class _Socket:
    """The datagram socket at a path, which belongs to the process that started last.

    No process removes the path, so a process that ends cannot remove the socket of its successor.
    If no process has the socket open, the kernel refuses the senders' datagrams, and the senders
    continue.
    """

    def __init__(self, path: Path, receive: Receive) -> None:
        self._path, self._receive = path, receive
        self._socket: socket.socket | None = None

    async def hear(self) -> None:
        """Bind the path, and bind it again when no process has the socket open any more."""
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
            # Bind a temporary path in the same folder, then rename it: senders find the path only
            # when the socket is ready.
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
    """Receive published frames forever; subscribe again after the connection was lost."""
    # The import of redis-py takes 8 MB, so it happens only if Redis is used.
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
            # After the timeout redis-py can send a ping, which detects a dead connection.
            message = await channel.get_message(timeout=_PING_SECONDS)
            failures.end()
            if message is not None:
                _hand_over(message["data"], receive)
