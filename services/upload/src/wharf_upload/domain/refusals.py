"""Why a write or deletion is refused."""

from __future__ import annotations


class Refused(Exception):
    """A write or deletion that the records do not take; nothing was changed."""


class UploadGone(Refused):
    """The resumable upload was removed while a request worked on it."""


class PreconditionFailed(Refused):
    """`If-Match` or `If-None-Match` does not hold."""


class KeyTaken(Refused):
    """There is a file of this key and the caller wants no replacement."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class IdempotencyReused(Refused):
    """The key was used for another request."""


class TicketUsedUp(Refused):
    """The ticket has brought, or would bring, more files than it may.

    `under_way` is how many bodies are on their way by it: when one of them ends, another may come.
    """

    def __init__(self, max_files: int, under_way: int = 0) -> None:
        text = f"The ticket is good for {max_files} files."
        if under_way:
            text += f" What is on its way by it ({under_way}) takes all that are left."
        super().__init__(text)
        self.max_files, self.under_way = max_files, under_way


class NoSuchBucket(Refused):
    """The bucket does not exist (any more)."""


class NoSuchFile(Refused):
    """The file does not exist (any more)."""


class OutsideGrants(Refused):
    """The caller's grants do not allow this; what it is about is no secret from the caller.

    `action`, `bucket` and `key` (empty: the bucket as a whole; an empty bucket: all of them) say
    which grant is missing. The action `administer` is all actions on all that is named.
    """

    def __init__(self, action: str, bucket: str = "", key: str = "") -> None:
        place = f"{bucket}/{key}" if key else bucket or "all buckets"
        needed = "; this needs every action on every key" if action == "administer" else ""
        super().__init__(f"Your grants do not allow you to {action} {place}{needed}.")
        self.action, self.bucket, self.key = action, bucket, key


class QuotaExceeded(Refused):
    """The tenant may not store so much more; `None` is no limit.

    `needed_bytes` and `needed_files` are what would be added, with what is replaced given back.
    `for_now`: there is room for it when what is on its way ends without being stored.
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
    """The bucket holds files."""


class LimitReached(Refused):
    """The tenant has as many `what` as it may; it can end some of them itself, as `advice` says."""

    def __init__(self, what: str, limit_count: int, advice: str = "") -> None:
        text = f"The tenant has {limit_count} {what} already, as many as it may."
        super().__init__(f"{text} {advice}".rstrip())
        self.what, self.limit_count = what, limit_count


class TooManyIdempotencyKeys(Refused):
    """The tenant's keys that are remembered are as many as it may use; the oldest ends soon."""

    def __init__(self, limit_count: int, seconds: int) -> None:
        super().__init__(
            f"{limit_count} idempotency keys of the tenant are remembered, as many as it may use. "
            f"The oldest one ends in {seconds} seconds."
        )
        self.limit_count, self.seconds = limit_count, seconds
