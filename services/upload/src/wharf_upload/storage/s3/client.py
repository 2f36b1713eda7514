"""A client with boto3 for rare requests with XML: multipart uploads, lists, deletions of many.

The first such request imports boto3. A process that only stores small files and signs downloads
never loads it, which saves 16 MB. Each process creates one client after the fork; threads share it.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import ssl
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from wharf_upload.domain.bucket_place import BucketPlace
from wharf_upload.storage.s3 import errors
from wharf_upload.storage.s3.errors import Failure
from wharf_upload.storage.s3.keys import KeyFile, Keys
from wharf_upload.storage.s3.per_process import PerProcess
from wharf_upload.storage.s3.tries import LONG, tried

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_CONNECT_SECONDS = 3
_CONNECTIONS = 16
# The paths of the system's certificates in common distributions.
_SYSTEM_CERTIFICATES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)
Result = TypeVar("Result")


class Client:
    """The client of one bucket; several threads may use it."""

    def __init__(self, place: BucketPlace, keys: KeyFile, ca: str) -> None:
        """Create the client; `ca` is the file of trusted certificates, or "" for the system's."""
        self._place, self._keys, self._ca = place, keys, ca
        self._made = PerProcess(lambda: _Made(place, ca))

    @property
    def bucket(self) -> str:
        """Return the name of the bucket."""
        return self._place.bucket

    def ask(
        self,
        operation: str,
        request: Callable[[S3Client], Result],
        *,
        passing: tuple[str, ...] = (),
    ) -> Result:
        """Make a request, retry it if that may help, and return its result.

        Raises `ErrorCode` for the codes in `passing`, and subclasses of `StoreError` for other
        failures.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        def once() -> Result | Failure:
            try:
                return request(self._made.get().client(self._keys.keys()))
            except ClientError as error:
                code = error.response.get("Error", {}).get("Code", "")
                status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
                return errors.of_answer(status, code)
            except BotoCoreError as error:
                return _failure(error)

        return tried(operation, once, LONG, passing)


class _Made:
    """The client of one process; it is created again when the keys change."""

    def __init__(self, place: BucketPlace, ca: str) -> None:
        self._place, self._ca = place, ca
        self._lock = threading.Lock()
        self._of: tuple[Keys, S3Client] | None = None

    def client(self, keys: Keys) -> S3Client:
        with self._lock:
            if self._of is None or self._of[0] != keys:
                self._of = (keys, _open(self._place, keys, self._ca))
            return self._of[1]


def _open(place: BucketPlace, keys: Keys, ca: str) -> S3Client:
    import botocore.session
    from boto3.session import Session
    from botocore.config import Config

    # The debug logs of these packages contain signatures and names.
    for noisy in ("boto3", "botocore", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # Only the settings count, not AWS_PROFILE or the files of the user that runs this process.
    unset = (None, None, None, None)
    core = botocore.session.Session(session_vars={"profile": unset, "config_file": unset})
    client = Session(botocore_session=core).client(
        "s3",
        endpoint_url=place.endpoint,
        region_name=place.region,
        aws_access_key_id=keys.access,
        aws_secret_access_key=keys.secret,
        verify=ca or _system_certificates(),
        config=Config(
            signature_version="s3v4",
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=LONG.read_seconds,
            # `tries` does the retries.
            retries={"mode": "standard", "total_max_attempts": 1},
            max_pool_connections=_CONNECTIONS,
            s3={"addressing_style": "virtual" if place.style == "virtual" else "path"},
            # Like `wire`, the client connects directly and ignores proxies in the environment.
            proxies={},
        ),
    )
    for operation in ("DeleteObjects", "PutBucketLifecycleConfiguration"):
        client.meta.events.register(f"before-call.s3.{operation}", _add_md5)
    return client


def _add_md5(params: dict[str, Any], **_: object) -> None:
    """Add the header field that older stores require; boto3 sends a newer kind of checksum."""
    digest = hashlib.md5(params["body"], usedforsecurity=False).digest()
    params["headers"]["Content-MD5"] = base64.b64encode(digest).decode()


def _system_certificates() -> str | bool:
    """Return the path of the system's certificates, or `True` for boto3's own."""
    known = (ssl.get_default_verify_paths().cafile, *_SYSTEM_CERTIFICATES)
    return next((path for path in known if path and os.path.isfile(path)), True)


def _failure(error: Exception) -> Failure:
    from botocore import exceptions

    if isinstance(error, exceptions.ConnectTimeoutError | exceptions.ReadTimeoutError):
        return errors.timed_out()
    if isinstance(error, exceptions.SSLError):
        return errors.of_tls(error)
    if isinstance(error, exceptions.EndpointConnectionError):
        return errors.unreachable()
    return errors.broken_off()
