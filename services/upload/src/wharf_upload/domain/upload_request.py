"""An upload as a client requests it, parsed and validated once."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from servicekit.tickets import Ticket
from servicekit.tokens import Principal
from wharf_upload.domain.conditions import WriteCondition
from wharf_upload.domain.file_writes import Idempotency


class UploadRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One file, or one form, that a client wants to upload.

    `key` is empty for a form, because its files have their own names. `length_bytes` is the length
    of the body, `None` if the client does not announce it. `digests` are the announced digests by
    algorithm (RFC 9530), `condition` is the condition of If-Match and If-None-Match (RFC 9110
    section 13). `room` is the id of the reservation of a body that was received, or empty.
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
        """Return the tenant that owns the uploaded file."""
        return self.caller.tenant

    @property
    def ticket(self) -> Ticket | None:
        """Return the rules of the caller's upload ticket, or `None`."""
        return self.caller.ticket
