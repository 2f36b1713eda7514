"""What answers and failures of the object store mean: our errors, outcomes, and whether to repeat.

The messages go to the log and to `/readyz`: they say what to do, and show no keys and no names.
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
    """A request that did not go well: the error, its outcome for the metrics, whether the same
    request may go well at once, and the store's own code.
    """

    error: StoreError
    outcome: str
    again: bool = False
    code: str = ""


def code_in(body: bytes) -> str:
    """Return the code of an error's XML; empty where there is none."""
    found = _CODE.search(body)
    return found[1].decode() if found else ""


def of_answer(status: int, code: str) -> Failure:
    """Return what an answer that is no success means."""
    failure = _of_configuration(status, code) or _of_content(status, code)
    return failure._replace(code=code)


def _of_configuration(status: int, code: str) -> Failure | None:
    """Return what is wrong with the keys, the clock or the address; `None` if it is none."""
    said = code or f"status {status}"
    if code == "RequestTimeTooSkewed":
        words = "the clocks of this machine and of the object store differ; set the wrong one (NTP)"
        return Failure(StoreUnavailable(words), metrics.DENIED)
    if code == "NoSuchBucket":
        words = "the object store has no such bucket; make it, or correct WHARF_BLOB_URL"
        return Failure(StoreUnavailable(words), metrics.FAILED)
    if code in _ELSEWHERE or 300 <= status < 400:
        words = f"the bucket is in another region or at another address ({said}): WHARF_BLOB_URL"
        return Failure(StoreUnavailable(words), metrics.FAILED)
    if code in _REFUSED or (status in (401, 403) and code not in _FULL):
        words = (
            f"the object store refuses the keys in WHARF_BLOB_KEY_FILE ({said}); correct them, or "
            "give them the rights that docs/object-stores.md names"
        )
        return Failure(StoreUnavailable(words), metrics.DENIED)
    return None


def _of_content(status: int, code: str) -> Failure:
    said = code or f"status {status}"
    if status == 404:
        return Failure(BlobMissing("no such blob"), metrics.MISSING)
    if code in _FULL or status == 507:
        return Failure(StoreFull("no room left in the object store"), metrics.FAILED)
    if code in _BUSY or status in (429, 500, 502, 503, 504):
        words = f"the object store has too much to do or has failed ({said})"
        return Failure(StoreUnavailable(words), metrics.BUSY, again=True)
    if code in _DIGEST:
        words = f"the bytes that the object store got do not have their digest ({said})"
        return Failure(StoreError(words), metrics.FAILED, again=True)
    return Failure(StoreError(f"the object store answers with an error ({said})"), metrics.FAILED)


def timed_out() -> Failure:
    """Return what silence means. What was asked for may have been done."""
    error = StoreUnavailable("the object store does not answer in time")
    return Failure(error, metrics.TIMEOUT)


def unreachable() -> Failure:
    """Return what a connection that cannot be made means."""
    words = "the object store cannot be reached; is it up, and is WHARF_BLOB_URL right?"
    return Failure(StoreUnavailable(words), metrics.FAILED, again=True)


def broken_off() -> Failure:
    """Return what the end of a connection in the middle means."""
    error = StoreUnavailable("the object store broke the connection off")
    return Failure(error, metrics.FAILED, again=True)


def of_tls(error: BaseException) -> Failure:
    """Return what a failed handshake means."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__context__ or cause.__cause__ or _inner(cause)
    if cause is None:
        words = "TLS with the object store fails; is the port in WHARF_BLOB_URL right?"
    else:
        said = cause.verify_message
        words = f"the certificate of the object store is not trusted ({said}): WHARF_BLOB_CA"
    return Failure(StoreUnavailable(words), metrics.FAILED)


def _inner(error: BaseException) -> BaseException | None:
    """Return the error that another one carries as its argument."""
    return next((one for one in error.args if isinstance(one, BaseException)), None)
