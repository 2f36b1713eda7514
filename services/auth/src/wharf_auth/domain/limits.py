"""How much a tenant may have in auth, so that no tenant fills the disk or the memory of all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Limited = Literal["clients", "users", "grant bytes", "revocations"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantLimits:
    """The limits of a tenant; `sessions` are those of one person.

    Attributes:
        clients: clients that are not disabled, and as many disabled ones.
        grant_bytes: all lists of grants of users, clients and groups, in JSON and filled in.
        revocations: entries in the feed of revocations.
        audit_lines: lines of the audit log that are about the tenant.
    """

    clients: int = 1_000
    users: int = 100_000
    sessions: int = 100
    grant_bytes: int = 4 << 20
    revocations: int = 200_000
    audit_lines: int = 100_000


class LimitReached(Exception):
    """The tenant has `most` of something already; nothing was changed."""

    def __init__(self, limited: Limited, most: int) -> None:
        super().__init__(f"{limited}: {most}")
        self.limited, self.most = limited, most
