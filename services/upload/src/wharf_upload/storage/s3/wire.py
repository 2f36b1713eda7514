"""Requests to the object store that are sent often or carry bytes: urllib3 and our own signature.

A PUT of 10 KiB costs boto3 1.5 ms of processor time, and this 0.4 ms (ADR 53). What is rare and
speaks XML is boto3's (`client`). Each process has a pool of its own.
"""

from __future__ import annotations

import errno
import os
import ssl
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ReadTimeoutError,
    SSLError,
)

from wharf_upload.domain.bucket_place import VIRTUAL, BucketPlace
from wharf_upload.storage.errors import StoreError, StoreUnavailable
from wharf_upload.storage.s3 import errors, metrics
from wharf_upload.storage.s3.content import Content
from wharf_upload.storage.s3.errors import Failure
from wharf_upload.storage.s3.per_process import PerProcess
from wharf_upload.storage.s3.signing import Signer
from wharf_upload.storage.s3.silence import Silence
from wharf_upload.storage.s3.tries import LONG, SHORT, Patience, tried

CONNECT_SECONDS = 3.0
# How long no byte of a body may go out.
_SEND_SECONDS = 6.0
# A failure that took longer has kept a thread, as a name server does that is silent: nothing bounds
# the time that a look for an address takes.
_AT_ONCE_SECONDS = 2.0
# Connections that are kept; more are opened when more threads ask, and closed afterwards.
_KEPT_CONNECTIONS = 32
_EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


class Answer(NamedTuple):
    """A successful answer, read to its end."""

    headers: Mapping[str, str]
    body: bytes


class _Connection(HTTPConnection):
    """A connection that gives sending a body another time limit than connecting."""

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(_SEND_SECONDS)

    def putrequest(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:  # one that was kept
            self.sock.settimeout(_SEND_SECONDS)
        super().putrequest(*args, **kwargs)


class _TlsConnection(HTTPSConnection):
    """The same over TLS."""

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(_SEND_SECONDS)

    def putrequest(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:
            self.sock.settimeout(_SEND_SECONDS)
        super().putrequest(*args, **kwargs)


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class Wire:
    """Sends signed requests for objects of one bucket. Safe to use from several threads."""

    def __init__(self, place: BucketPlace, signer: Signer, ca: str) -> None:
        """`ca` is the file of certificates by which the store is verified; empty: the system's."""
        self._place, self._signer, self._ca = place, signer, ca
        self._pool = PerProcess(self._open_pool)
        self._silence = Silence()

    def _open_pool(self) -> urllib3.HTTPConnectionPool:
        place = self._place
        host = f"{place.bucket}.{place.host}" if place.style == VIRTUAL else place.host
        if place.scheme == "http":
            return _Pool(host, place.port, maxsize=_KEPT_CONNECTIONS)
        try:
            context = ssl.create_default_context(cafile=self._ca or None)
        except ssl.SSLError:
            raise StoreUnavailable("WHARF_BLOB_CA has no certificates in PEM") from None
        except OSError as error:
            reason = os.strerror(error.errno or errno.EIO)
            raise StoreUnavailable(f"WHARF_BLOB_CA cannot be read: {reason}") from None
        return _TlsPool(
            host,
            place.port,
            maxsize=_KEPT_CONNECTIONS,
            ssl_context=context,
        )

    def send(
        self,
        operation: str,
        method: str,
        key: str,
        *,
        query: str = "",
        content: Content | None = None,
        patience: Patience = SHORT,
    ) -> Answer:
        """Send a request, repeat it where that may help, and return the answer.

        `query` is encoded and in the order of its names. Raises kinds of `StoreError`; at once for
        small requests while the store is silent.
        """
        if patience is SHORT and self._silence.lasts():
            raise StoreUnavailable("the object store did not answer a moment ago")
        answer = tried(
            operation,
            lambda: self._once(method, key, query, content, patience, stream=False),
            patience,
        )
        if content is not None:
            metrics.sent_bytes.note(((operation,), content.size))
        return Answer(answer.headers, answer.data)

    def get(self, key: str) -> urllib3.BaseHTTPResponse:
        """Return the answer to a GET, of which no byte of content is read yet."""
        return tried(metrics.GET, lambda: self._once("GET", key, "", None, LONG, stream=True), LONG)

    def _once(
        self,
        method: str,
        key: str,
        query: str,
        content: Content | None,
        patience: Patience,
        *,
        stream: bool,
    ) -> urllib3.BaseHTTPResponse | Failure:
        path = self._place.base_path + key
        md5 = {"content-md5": content.md5} if content is not None and content.md5 else {}
        payload = _EMPTY if content is None else content.sha256
        fields = self._signer.fields(method, path, query, md5, payload)
        if content is not None:
            fields["content-length"] = str(content.size)
        begun = time.monotonic()
        try:
            answer = self._pool.get().urlopen(
                method,
                f"{path}?{query}" if query else path,
                body=None if content is None else content.open(),
                headers=fields,
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=patience.read_seconds),
                retries=False,
                redirect=False,
                preload_content=not stream,
                decode_content=False,
            )
            self._silence.heard()
            if answer.status < 300:
                return answer
            return errors.of_answer(answer.status, errors.code_in(_rest(answer)))
        except StoreError:  # of the content, not of the store
            self._silence.heard()
            raise
        except HTTPError as error:
            failure = _failure(error)
            at_once = time.monotonic() - begun <= _AT_ONCE_SECONDS
            if failure.outcome != metrics.TIMEOUT and at_once:
                self._silence.heard()
            elif patience is not LONG:
                self._silence.unheard()
            return failure


def _rest(answer: urllib3.BaseHTTPResponse) -> bytes:
    """Return the body of an error, and give the connection back."""
    body = answer.data
    answer.release_conn()
    return body


def _failure(error: HTTPError) -> Failure:
    if isinstance(error, NewConnectionError):
        return errors.unreachable()
    silent = isinstance(error, ReadTimeoutError | ConnectTimeoutError)
    if silent or any(isinstance(one, TimeoutError) for one in error.args):
        return errors.timed_out()
    if isinstance(error, SSLError):
        return errors.of_tls(error)
    return errors.broken_off()
