"""The limits of a tenant in auth: without them one tenant could fill the disk or the memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Limited = Literal["clients", "users", "grant bytes", "revocations"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantLimits:
    """The limits of a tenant.

    Attributes:
        clients: the most active clients; the records keep as many disabled clients.
        users: the most users, including disabled ones.
        sessions: the most sessions of one person.
        grant_bytes: the most bytes of JSON of all lists of grants, with placeholders filled in.
        revocations: the most entries in the feed of revocations.
        audit_lines: the most lines of the audit log about the tenant.
    """

    clients: int = 1_000
    users: int = 100_000
    sessions: int = 100
    grant_bytes: int = 4 << 20
    revocations: int = 200_000
    audit_lines: int = 100_000


class LimitReached(Exception):
    """The tenant has reached the limit `most`; nothing was changed."""

    def __init__(self, limited: Limited, most: int) -> None:
        super().__init__(f"{limited}: {most}")
        self.limited, self.most = limited, most
