"""What happened to the files and quotas of a tenant."""

from __future__ import annotations

import msgspec

from wharf_upload.domain.files import File, FileAddress
from wharf_upload.domain.quotas import QuotaWarning


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What happened: `kind` is `file.created`, `file.replaced`, `file.changed`, `file.moved`,
    `file.deleted` or `file.expired`, with the file as it is or was, or `quota.warning` with the
    numbers. Kinds of newer releases have a file where their names begin with `file.`, and else
    neither. `moved_from` is where a file was that has moved, or that got another
    key by a change.
    """

    seq: int
    kind: str
    at: int
    file: File | None = None
    warning: QuotaWarning | None = None
    moved_from: FileAddress | None = None
