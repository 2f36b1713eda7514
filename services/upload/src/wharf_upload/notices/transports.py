"""The ways of a frame from one process to the listener; only the sender's thread uses them."""

from __future__ import annotations

import errno
import socket
from typing import Protocol

from wharf_upload.notices.messages import CHANNEL
from wharf_upload.notices.places import redis_url, socket_path

_ANSWER_SECONDS = 2.0
_FULL_SECONDS, _AWAY_SECONDS = 0.05, 1.0
# The listener has not read what came before.
_FULL = frozenset({errno.EAGAIN, errno.ENOBUFS})


class NotSent(Exception):
    """The frame was not taken; the same one may be `again_seconds` later.

    The text is empty where that is nothing to tell the operator.
    """

    def __init__(self, reason: str, again_seconds: float) -> None:
        super().__init__(reason)
        self.again_seconds = again_seconds


class Transport(Protocol):
    """Takes frames."""

    def send(self, frame: bytes) -> None:
        """Hand a frame over, if anybody listens; raises `NotSent`."""

    def close(self) -> None:
        """Give back what is open."""


class Datagrams:
    """To the process that has bound a unix socket. Where there is none, nobody has to be told."""

    def __init__(self, path: str) -> None:
        self._path = path

    def send(self, frame: bytes) -> None:
        """Send one datagram without waiting."""
        # A socket for each: there are 20 a second at most, and none is left open in a fork.
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
                sending.setblocking(False)
                sending.sendto(frame, self._path)
        except OSError as error:
            if error.errno in _FULL:
                raise NotSent("", _FULL_SECONDS) from None
            # Nobody listens, or the frame fits no buffer: there is nothing to be done.

    def close(self) -> None:
        """Nothing is open."""


class RedisChannel:
    """By `PUBLISH` to all listeners on one Redis."""

    def __init__(self, where: str) -> None:
        # Importing redis-py takes 8 MB: only where it is used.
        from redis import Redis, RedisError

        self._failures = (RedisError, OSError)
        self._client = Redis.from_url(
            redis_url(where),
            socket_timeout=_ANSWER_SECONDS,
            socket_connect_timeout=_ANSWER_SECONDS,
        )

    def send(self, frame: bytes) -> None:
        """Publish it; the connection is made anew when it was lost."""
        try:
            self._client.publish(CHANNEL, frame)
        except self._failures as error:
            raise NotSent(f"Redis does not take them: {error}", _AWAY_SECONDS) from None

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def transport_to(where: str) -> Transport:
    """Return the way to a place."""
    path = socket_path(where)
    return RedisChannel(where) if path is None else Datagrams(path)
