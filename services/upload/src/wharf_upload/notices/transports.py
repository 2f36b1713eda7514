"""Transports of frames to the listener; only the sender's thread uses them."""

from __future__ import annotations

import errno
import socket
from typing import Protocol

from wharf_upload.notices.messages import CHANNEL
from wharf_upload.notices.places import redis_url, socket_path

_ANSWER_SECONDS = 2.0
_FULL_SECONDS, _AWAY_SECONDS = 0.05, 1.0
# An error number which means that the listener has not read the earlier datagrams.
_FULL = frozenset({errno.EAGAIN, errno.ENOBUFS})


class NotSent(Exception):
    """The frame was not sent; a retry is sensible after `again_seconds`.

    The text is empty if the operator need not know.
    """

    def __init__(self, reason: str, again_seconds: float) -> None:
        super().__init__(reason)
        self.again_seconds = again_seconds


class Transport(Protocol):
    """The interface of transports."""

    def send(self, frame: bytes) -> None:
        """Send a frame if a listener exists; raise `NotSent` if a retry is necessary."""

    def close(self) -> None:
        """Close the connection, if one is open."""


class Datagrams:
    """Datagrams to the process that has bound a unix socket.

    If no process has bound the socket, the frames are dropped.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def send(self, frame: bytes) -> None:
        """Send one datagram without waiting; raise `NotSent` if the listener's buffer is full."""
        # Open a socket for each datagram: at most 20 a second, and a fork inherits no open socket.
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
                sending.setblocking(False)
                sending.sendto(frame, self._path)
        except OSError as error:
            if error.errno in _FULL:
                raise NotSent("", _FULL_SECONDS) from None
            # No process listens, or the frame is too large for the buffer: a retry would not help.

    def close(self) -> None:
        """Do nothing, because no socket stays open."""


class RedisChannel:
    """`PUBLISH` to all listeners on one Redis."""

    def __init__(self, where: str) -> None:
        # The import of redis-py takes 8 MB, so it happens only if Redis is used.
        from redis import Redis, RedisError

        self._failures = (RedisError, OSError)
        self._client = Redis.from_url(
            redis_url(where),
            socket_timeout=_ANSWER_SECONDS,
            socket_connect_timeout=_ANSWER_SECONDS,
        )

    def send(self, frame: bytes) -> None:
        """Publish a frame; redis-py connects again after the connection was lost."""
        try:
            self._client.publish(CHANNEL, frame)
        except self._failures as error:
            raise NotSent(f"Redis does not accept notices: {error}", _AWAY_SECONDS) from None

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def transport_to(where: str) -> Transport:
    """Return a transport to a place."""
    path = socket_path(where)
    return RedisChannel(where) if path is None else Datagrams(path)
