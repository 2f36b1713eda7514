"""Frequent and large requests to the object store, with urllib3 and the signatures of `signing`.

A PUT of 10 KiB takes 0.4 ms of CPU time here, and 1.5 ms in boto3 (ADR 53). boto3 sends the rare
requests with XML (`client`). Each process has a separate pool of connections.
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
# The timeout for sending: the longest time without a sent byte of the body.
_SEND_SECONDS = 6.0
# A request that fails after a longer time has blocked a thread, for example on a name server that
# does not respond: the lookup of an address has no timeout.
_AT_ONCE_SECONDS = 2.0
# The number of idle connections in the pool. Further connections are closed after use.
_KEPT_CONNECTIONS = 32
_EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


class Answer(NamedTuple):
    """A successful response, read to its end."""

    headers: Mapping[str, str]
    body: bytes


class _Connection(HTTPConnection):
    """A connection with different timeouts for sending and for connecting."""

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(_SEND_SECONDS)

    def putrequest(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:  # an idle connection of the pool
            self.sock.settimeout(_SEND_SECONDS)
        super().putrequest(*args, **kwargs)


class _TlsConnection(HTTPSConnection):
    """A connection over TLS with different timeouts for sending and for connecting."""

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
    """Sends signed requests for objects of one bucket; several threads may use it."""

    def __init__(self, place: BucketPlace, signer: Signer, ca: str) -> None:
        """Create the wire; `ca` is the file of trusted certificates, or "" for the system's."""
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
        """Send a request, retry it if that may help, and return the response.

        `query` is encoded and sorted by name. Raises subclasses of `StoreError`. Small requests
        fail immediately while the store does not respond.
        """
        if patience is SHORT and self._silence.lasts():
            raise StoreUnavailable("the object store did not respond a moment ago")
        answer = tried(
            operation,
            lambda: self._once(method, key, query, content, patience, stream=False),
            patience,
        )
        if content is not None:
            metrics.sent_bytes.note(((operation,), content.size))
        return Answer(answer.headers, answer.data)

    def get(self, key: str) -> urllib3.BaseHTTPResponse:
        """Return the response to a GET; no byte of its content is read yet."""
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
        except StoreError:  # the content failed, not the store
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
    """Return the body of an error response, and release the connection."""
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
