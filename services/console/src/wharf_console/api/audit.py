"""The audit log: the administrative acts on a tenant's people and clients, for its owners."""

from __future__ import annotations

from datetime import datetime

import msgspec

from wharf_console.api.session import Session


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """An administrative act.

    `actor` is an id, or `cli` for the command line, or `service` for the service. `about` is the id
    or name of the changed object. `outcome` is `done`, or the slug of the problem with which the
    act was refused.
    """

    seq: int
    at: datetime
    actor: str
    actor_tenant: str
    address: str
    act: str
    tenant: str
    about: str
    outcome: str


class Acts(msgspec.Struct, frozen=True, kw_only=True):
    """A page of acts, newest first; `next_before` requests older ones, `None` is the end."""

    acts: tuple[Act, ...]
    next_before: int | None = None


def newest(session: Session, *, before: int | None = None, limit: int = 100) -> Acts:
    """Return the newest acts, or the newest acts before a number."""
    return session.get("/auth/v1/audit", Acts, order="newest", before=before, limit=limit)
