"""The events of a tenant's files and quotas."""

from __future__ import annotations

import msgspec

from wharf_upload.domain.files import File, FileAddress
from wharf_upload.domain.quotas import QuotaWarning


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An event of a file or of a quota.

    `kind` is `file.created`, `file.replaced`, `file.changed`, `file.moved`, `file.deleted` or
    `file.expired`, with the file after the event (its last state if it was deleted or has expired),
    or `quota.warning` with the numbers. Newer releases may add kinds. An event of a newer kind may
    have a file if the kind begins with `file.`, and otherwise has neither a file nor numbers.
    `moved_from` is the old address of a file that was moved or got another key by a change.
    """

    seq: int
    kind: str
    at: int
    file: File | None = None
    warning: QuotaWarning | None = None
    moved_from: FileAddress | None = None
