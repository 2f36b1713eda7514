"""Converts errors of the domain, the records and the store to problems."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from servicekit.database import OutOfSpace
from servicekit.problems import MALFORMED, NOT_FOUND, TENANT_LIMIT, TOO_LARGE, ProblemError
from servicekit.reach import EVERYTHING, Reach
from servicekit.web import as_problem as common_problem
from servicekit.web import unavailable
from wharf_upload import problems
from wharf_upload.access import tickets
from wharf_upload.domain import (
    conditions,
    digests,
    keys,
    pictures,
    refusals,
    upload_intent,
)
from wharf_upload.storage import base as stores
from wharf_upload.uploads.multipart import parser
from wharf_upload.uploads.resumable import leases

Translation = Callable[[Any], ProblemError]
# An estimate of when an upload under way may have ended.
_QUOTA_RETRY_SECONDS = 10


def _ticket_used_up(error: refusals.TicketUsedUp) -> ProblemError:
    if not error.under_way:
        return problems.TICKET_USED_UP(str(error), max_files=error.max_files)
    return problems.TICKET_USED_UP(
        str(error),
        headers=(("Retry-After", "1"),),
        max_files=error.max_files,
        under_way=error.under_way,
        retry_after=1,
    )


def _quota_exceeded(
    error: refusals.QuotaExceeded, detail: str, numbers: Mapping[str, int | None]
) -> ProblemError:
    members: dict[str, Any] = {**numbers}
    if not error.for_now:
        return problems.TENANT_QUOTA(detail, **members)
    return problems.TENANT_QUOTA(
        f"{detail} Uploads under way have reserved the rest.",
        headers=(("Retry-After", str(_QUOTA_RETRY_SECONDS)),),
        retry_after=_QUOTA_RETRY_SECONDS,
        **members,
    )


_BY_TYPE: dict[type[Exception], Translation] = {
    keys.InvalidName: lambda e: problems.INVALID_KEY(str(e), **e.members),
    conditions.MalformedCondition: lambda e: MALFORMED(str(e)),
    pictures.NoSuchWidth: lambda e: MALFORMED(str(e)),
    digests.MalformedDigest: lambda e: problems.INVALID_DIGEST(str(e)),
    digests.DigestMismatch: lambda e: problems.DIGEST_MISMATCH(str(e), algorithm=e.algorithm),
    upload_intent.TooLarge: lambda e: TOO_LARGE(str(e), limit=e.limit, limit_bytes=e.limit_bytes),
    upload_intent.TypeNotAllowed: lambda e: problems.TYPE_NOT_ALLOWED(
        str(e), media_type=e.media_type, allowed_types=e.allowed
    ),
    upload_intent.ExtensionNotAllowed: lambda e: problems.EXTENSION_NOT_ALLOWED(
        str(e), filename=e.filename, allowed_extensions=e.allowed
    ),
    tickets.TicketRefused: lambda e: problems.TICKET_REFUSED(str(e), rule=e.rule),
    refusals.OutsideGrants: lambda e: problems.OUTSIDE_GRANTS(
        str(e), action=e.action, bucket=e.bucket, key=e.key
    ),
    refusals.TicketUsedUp: _ticket_used_up,
    parser.TooManyParts: lambda e: TOO_LARGE(
        str(e), limit=f"number of {e.what}", limit_count=e.limit
    ),
    parser.FieldTooLarge: lambda e: TOO_LARGE(
        str(e), limit="form fields", limit_bytes=e.limit_bytes
    ),
    parser.MalformedMultipart: lambda e: problems.MALFORMED_FORM(str(e)),
    leases.UploadBusy: lambda _: problems.UPLOAD_BUSY(
        "Another request is writing to this upload; it was asked to stop.",
        headers=(("Retry-After", "1"),),
        retry_after=1,
    ),
    refusals.PreconditionFailed: lambda _: problems.PRECONDITION(
        "The current state of the file does not match If-Match or If-None-Match."
    ),
    refusals.KeyTaken: lambda e: problems.KEY_TAKEN(
        f"A file with the key {e.key} already exists.", key=e.key
    ),
    refusals.IdempotencyReused: lambda _: problems.IDEMPOTENCY_REUSED(
        "This Idempotency-Key was already used for a request with another address or content."
    ),
    refusals.NoSuchBucket: lambda _: NOT_FOUND("There is no such bucket."),
    refusals.UploadGone: lambda _: NOT_FOUND("There is no such upload."),
    refusals.NoSuchFile: lambda _: NOT_FOUND("There is no such file."),
    refusals.QuotaExceeded: lambda e: _quota_exceeded(e, _quota_detail(e.numbers), e.numbers),
    refusals.LimitReached: lambda e: TENANT_LIMIT(str(e), limit=e.what, limit_count=e.limit_count),
    refusals.TooManyIdempotencyKeys: lambda e: problems.TOO_MANY_KEYS(
        str(e),
        headers=(("Retry-After", str(e.seconds)),),
        retry_after=e.seconds,
        limit_count=e.limit_count,
    ),
    refusals.ReplayRuns: lambda _: problems.REPLAY_UNDER_WAY(
        "A replay of this endpoint is under way. Wait until it has ended."
    ),
    refusals.BucketNotEmpty: lambda _: problems.BUCKET_NOT_EMPTY("The bucket holds files."),
    OutOfSpace: lambda _: problems.STORAGE_FULL("There was no room for the file's record."),
    stores.StoreFull: lambda _: problems.STORAGE_FULL("There was no room for the whole file."),
    stores.StoreBusy: lambda _: unavailable("The service has too many requests at the moment."),
    stores.StoreUnavailable: lambda _: unavailable("The store of file contents is not available."),
    stores.BlobMissing: lambda _: problems.STORAGE_FAILED("The file's bytes cannot be read."),
    stores.StoreError: lambda _: problems.STORAGE_FAILED("The file could not be stored."),
}


def _quota_detail(numbers: dict[str, int | None]) -> str:
    parts = [
        f"{numbers[f'used_{unit}']} of {limit} {unit} are used, "
        f"and {max(0, numbers[f'needed_{unit}'] or 0)} more are needed"
        for unit in ("bytes", "files")
        if (limit := numbers[f"limit_{unit}"]) is not None
    ]
    return f"{'; '.join(parts)}."


def as_problem(error: Exception, reach: Reach = EVERYTHING) -> ProblemError:
    """Return the problem for any exception, as a caller with this reach may see it.

    A caller that reaches only a part of the tenant's files does not see the usage of the whole
    tenant.
    """
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, refusals.QuotaExceeded) and not reach.is_everything:
        return _quota_exceeded(error, "There is no room for this upload.", {})
    for kind in type(error).__mro__:
        translation = _BY_TYPE.get(kind)
        if translation is not None:
            return translation(error)
    return common_problem(error)
