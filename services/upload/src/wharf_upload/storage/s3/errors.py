"""The meaning of the object store's error responses and of failed requests.

Each failure becomes a `StoreError`, an outcome for the metrics, and a decision about a retry. The
messages go to the log and to `/readyz`: they tell the operator what to do, and contain no keys and
no names.
"""

from __future__ import annotations

import re
import ssl
from typing import NamedTuple

from wharf_upload.storage.errors import BlobMissing, StoreError, StoreFull, StoreUnavailable
from wharf_upload.storage.s3 import metrics

_CODE = re.compile(rb"<Code>([A-Za-z0-9]{1,64})</Code>")
_REFUSED = {
    "AccessDenied",
    "AccountProblem",
    "AllAccessDisabled",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "SignatureDoesNotMatch",
}
_ELSEWHERE = {
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "PermanentRedirect",
    "TemporaryRedirect",
}
_DIGEST = {"BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch"}
_FULL = {"QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "EntityTooLargeForQuota"}
_BUSY = {
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "TooManyRequests",
}


class Failure(NamedTuple):
    """A failed request: the error, the outcome for the metrics, and the store's own error code.

    `again` tells whether an immediate retry may succeed.
    """

    error: StoreError
    outcome: str
    again: bool = False
    code: str = ""


def code_in(body: bytes) -> str:
    """Return the code in the XML of an error response, or ""."""
    found = _CODE.search(body)
    return found[1].decode() if found else ""


def of_answer(status: int, code: str) -> Failure:
    """Return the failure that an error response stands for."""
    failure = _of_configuration(status, code) or _of_content(status, code)
    return failure._replace(code=code)


def _of_configuration(status: int, code: str) -> Failure | None:
    """Return what is wrong with the keys, the clock or the address, or `None`."""
    said = code or f"status {status}"
    if code == "RequestTimeTooSkewed":
        words = "the clocks of this machine and of the object store differ; set the wrong one (NTP)"
        return Failure(StoreUnavailable(words), metrics.DENIED)
    if code == "NoSuchBucket":
        words = "the object store has no such bucket; create it, or correct WHARF_BLOB_URL"
        return Failure(StoreUnavailable(words), metrics.FAILED)
    if code in _ELSEWHERE or 300 <= status < 400:
        words = (
            f"the bucket is in another region or at another address ({said}); "
            "correct WHARF_BLOB_URL"
        )
        return Failure(StoreUnavailable(words), metrics.FAILED)
    if code in _REFUSED or (status in (401, 403) and code not in _FULL):
        words = (
            f"the object store refuses the keys in WHARF_BLOB_KEY_FILE ({said}); correct them, or "
            "give them the permissions that docs/object-stores.md lists"
        )
        return Failure(StoreUnavailable(words), metrics.DENIED)
    return None


def _of_content(status: int, code: str) -> Failure:
    said = code or f"status {status}"
    if status == 404:
        return Failure(BlobMissing("no such blob"), metrics.MISSING)
    if code in _FULL or status == 507:
        return Failure(StoreFull("the object store is full"), metrics.FAILED)
    if code in _BUSY or status in (429, 500, 502, 503, 504):
        words = f"the object store is overloaded or has failed ({said})"
        return Failure(StoreUnavailable(words), metrics.BUSY, again=True)
    if code in _DIGEST:
        words = f"the object store received bytes that do not match their digest ({said})"
        return Failure(StoreError(words), metrics.FAILED, again=True)
    return Failure(StoreError(f"the object store returned an error ({said})"), metrics.FAILED)


def timed_out() -> Failure:
    """Return the failure for a timeout; the store may have done what the request asked for."""
    error = StoreUnavailable("the object store does not respond in time")
    return Failure(error, metrics.TIMEOUT)


def unreachable() -> Failure:
    """Return the failure for a connection that cannot be opened."""
    words = "the object store cannot be reached; is it running, and is WHARF_BLOB_URL correct?"
    return Failure(StoreUnavailable(words), metrics.FAILED, again=True)


def broken_off() -> Failure:
    """Return the failure for a connection that closes before the end of the response."""
    error = StoreUnavailable("the object store closed the connection too early")
    return Failure(error, metrics.FAILED, again=True)


def of_tls(error: BaseException) -> Failure:
    """Return the failure for a failed TLS handshake."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__context__ or cause.__cause__ or _inner(cause)
    if cause is None:
        words = "TLS with the object store fails; is the port in WHARF_BLOB_URL correct?"
    else:
        said = cause.verify_message
        words = (
            f"the certificate of the object store is not trusted ({said}); correct WHARF_BLOB_CA"
        )
    return Failure(StoreUnavailable(words), metrics.FAILED)


def _inner(error: BaseException) -> BaseException | None:
    """Return the error in the arguments of another error, or `None`."""
    return next((one for one in error.args if isinstance(one, BaseException)), None)
