"""Administrative acts for the audit log: the actor, the act, the time and the address."""

from __future__ import annotations

from dataclasses import dataclass

#: The ids of two actors: the operator on the command line, and the service for periodic work.
CLI, SERVICE = "cli", "service"
DONE = "done"


@dataclass(frozen=True, slots=True)
class Actor:
    """The actor of an act: the id of a client or user with its tenant, or `CLI` or `SERVICE`.

    `CLI` and `SERVICE` have no tenant. `address` is the caller's IP address, or empty.
    """

    id: str
    tenant: str = ""
    address: str = ""
    request_id: str = ""

    def does(self, act: str, *, tenant: str, about: str, at: int, outcome: str = DONE) -> Act:
        """Return an act of this actor; `at` is in unix milliseconds."""
        return Act(self, act, tenant, about, at, outcome)


@dataclass(frozen=True, slots=True)
class Act:
    """An administrative act. `act` is its name, for instance `tenants.suspend`.

    `about` is the id of the changed object, and `at` the time in unix milliseconds. `tenant` is the
    changed tenant, or empty for the whole installation. `outcome` is `DONE`, or the slug of the
    problem that refused the act. A refused act has the tenant of its actor, and its `about` is the
    name in the request, even if no object has this name.
    """

    by: Actor
    act: str
    tenant: str
    about: str
    at: int
    outcome: str = DONE


@dataclass(frozen=True, slots=True)
class AuditedAct:
    """An act with its number in the log."""

    seq: int
    act: Act
