"""Administrative acts, as the audit log keeps them: who, what, when, from where."""

from __future__ import annotations

from dataclasses import dataclass

#: Who acts at the command line, and who acts without being told to.
CLI, SERVICE = "cli", "service"
DONE = "done"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a client's or user's id with its tenant, `CLI` or `SERVICE` without one.

    `address` is the caller's IP address, empty where there is none.
    """

    id: str
    tenant: str = ""
    address: str = ""
    request_id: str = ""

    def does(self, act: str, *, tenant: str, about: str, at: int, outcome: str = DONE) -> Act:
        """An act of this actor."""
        return Act(self, act, tenant, about, at, outcome)


@dataclass(frozen=True, slots=True)
class Act:
    """`act` is like `tenants.suspend`, `about` the id of what was acted on, `at` in milliseconds.

    `tenant` is the tenant that it is about, empty for the whole installation. `outcome` is `DONE`
    or the slug of the problem with which it was refused. A refused act is kept under the actor's
    own tenant, and `about` is what the actor named, whether it exists or not.
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
