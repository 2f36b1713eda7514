"""The reasons for which the records, or a rule of the service, refuse a request."""

from __future__ import annotations


class Refused(Exception):
    """The records, or a rule of the service, refuse a request; nothing was changed."""


class UploadGone(Refused):
    """The resumable upload was removed or completed while a request worked on it."""


class PreconditionFailed(Refused):
    """The state of the file does not satisfy `If-Match` or `If-None-Match`."""


class KeyTaken(Refused):
    """A file has this key, and the client does not want to replace it."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class IdempotencyReused(Refused):
    """The client used the idempotency key for a different request."""


class TicketUsedUp(Refused):
    """The ticket's number of files is used up, or this write would exceed it.

    `under_way` is the number of bodies under way with this ticket. When one of them ends without a
    file, another upload may succeed.
    """

    def __init__(self, max_files: int, under_way: int = 0) -> None:
        text = f"The ticket permits {max_files} files."
        if under_way:
            text += f" Uploads under way ({under_way}) take all that are left."
        super().__init__(text)
        self.max_files, self.under_way = max_files, under_way


class NoSuchBucket(Refused):
    """The bucket does not exist, or no longer exists."""


class NoSuchFile(Refused):
    """The file does not exist, or no longer exists."""


class OutsideGrants(Refused):
    """The caller's grants do not permit the action on a place that the caller may know.

    `action`, `bucket` and `key` name the missing grant. An empty `key` means the whole bucket, an
    empty `bucket` means all buckets. The action `administer` means all actions on all keys of the
    named place.
    """

    def __init__(self, action: str, bucket: str = "", key: str = "") -> None:
        place = f"{bucket}/{key}" if key else bucket or "all buckets"
        needed = "; this needs every action on every key" if action == "administer" else ""
        super().__init__(f"Your grants do not allow you to {action} {place}{needed}.")
        self.action, self.bucket, self.key = action, bucket, key


class QuotaExceeded(Refused):
    """The write would exceed the tenant's quota; a limit of `None` is no limit.

    `needed_bytes` and `needed_files` are the bytes and files that the write adds, minus those that
    it replaces. `for_now` is true if the write would fit once the bodies under way ended without
    being stored.
    """

    for_now = False

    def __init__(
        self,
        *,
        used_bytes: int,
        limit_bytes: int | None,
        needed_bytes: int,
        used_files: int,
        limit_files: int | None,
        needed_files: int,
    ) -> None:
        super().__init__("the tenant's quota is used up")
        self.numbers = {
            "used_bytes": used_bytes,
            "limit_bytes": limit_bytes,
            "needed_bytes": needed_bytes,
            "used_files": used_files,
            "limit_files": limit_files,
            "needed_files": needed_files,
        }


class BucketNotEmpty(Refused):
    """The bucket contains files."""


class LimitReached(Refused):
    """The tenant has the largest permitted number of `what`.

    `advice` says how the tenant can remove some of them.
    """

    def __init__(self, what: str, limit_count: int, advice: str = "") -> None:
        text = f"The tenant already has {limit_count} {what}, the most that it may have."
        super().__init__(f"{text} {advice}".rstrip())
        self.what, self.limit_count = what, limit_count


class TooManyIdempotencyKeys(Refused):
    """The tenant uses the largest permitted number of idempotency keys.

    The oldest key expires in `seconds`.
    """

    def __init__(self, limit_count: int, seconds: int) -> None:
        super().__init__(
            f"The tenant already uses {limit_count} idempotency keys, the most that it may use. "
            f"The oldest one expires in {seconds} seconds."
        )
        self.limit_count, self.seconds = limit_count, seconds


class ReplayRuns(Refused):
    """A replay of this endpoint is under way already."""
