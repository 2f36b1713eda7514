"""The events of a tenant's files and quotas."""

from __future__ import annotations

import msgspec

from wharf_upload.domain.files import File, FileAddress
from wharf_upload.domain.quotas import QuotaWarning

# The kind of the event that tells that an endpoint of webhooks was disabled.
DISABLED_KIND = "webhook.disabled"


class EndpointNote(msgspec.Struct, frozen=True):
    """An endpoint of webhooks that was disabled: its id, and the reason."""

    endpoint: str
    reason: str


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An event of a file, of a quota, or of an endpoint of webhooks.

    `kind` is `file.created`, `file.replaced`, `file.changed`, `file.moved`, `file.deleted` or
    `file.expired`, with the file after the event (its last state if it was deleted or has expired),
    `quota.warning` with the numbers, or `webhook.disabled` with the endpoint. Newer releases may
    add kinds. An event of a newer kind may have a file if the kind begins with `file.`, and
    otherwise has nothing else. `moved_from` is the old address of a file that was moved or got
    another key by a change.
    """

    seq: int
    kind: str
    at: int
    file: File | None = None
    warning: QuotaWarning | None = None
    moved_from: FileAddress | None = None
    endpoint: EndpointNote | None = None
