"""What a client asks of an upload, parsed and validated once from its request."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from servicekit.tickets import Ticket
from servicekit.tokens import Principal
from wharf_upload.domain.conditions import WriteCondition
from wharf_upload.domain.file_writes import Idempotency


class UploadRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One file, or one form, that a client wants to upload.

    `key` is empty for a form, whose files bring their names. `length_bytes` is the length of the
    body, `None` where the client does not announce it. `digests` are the announced digests by
    algorithm (RFC 9530), `condition` is what If-Match and If-None-Match ask (RFC 9110 section 13).
    `room` is the id of what is reserved for a body that has come, or empty.
    """

    caller: Principal
    bucket: str
    key: str = ""
    length_bytes: int | None = None
    declared_type: str | None = None
    digests: Mapping[str, bytes] = {}
    condition: WriteCondition | None = None
    idempotency: Idempotency | None = None
    room: str = ""

    @property
    def tenant(self) -> str:
        """The tenant whose file it becomes."""
        return self.caller.tenant

    @property
    def ticket(self) -> Ticket | None:
        """The rules of the caller's upload ticket, where there is one."""
        return self.caller.ticket
