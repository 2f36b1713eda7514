"""Tests of the authorizer, which decides by scopes and tickets alone."""

from __future__ import annotations

import msgspec
import pytest

from servicekit.problems import ProblemError
from servicekit.tickets import Ticket
from servicekit.tokens import Principal
from tests.servers.granted import principal
from wharf_upload.access.authorization import DELETE, READ, WRITE, Authorizer

CALLER = principal("write:default", ticket=None)
TICKET = principal("write:default", ticket=Ticket(bucket="default", prefix=""))


class Counted:
    """Rate limits that record each charge."""

    def __init__(self) -> None:
        self.charged: list[Principal] = []

    def charge(self, principal: Principal) -> None:
        """Record the charge of a request."""
        self.charged.append(principal)


class Changed:
    """A revocation checker that gives callers new scopes."""

    def __init__(self, scopes: str) -> None:
        self.scopes = frozenset(scopes.split())

    def accepted(self, principal: Principal) -> Principal:
        """Return the caller with its new scopes."""
        return msgspec.structs.replace(principal, scopes=self.scopes)


def test_what_is_allowed_is_counted() -> None:
    """An allowed request counts against the rate limits of its own caller."""
    counted = Counted()
    authorizer = Authorizer(Changed(""), counted)
    authorizer.require(CALLER, DELETE, takes_tickets=False)
    authorizer.require(TICKET, WRITE, takes_tickets=True)
    assert counted.charged == [CALLER, TICKET]


@pytest.mark.parametrize(
    ("caller", "scope", "takes_tickets"),
    [(CALLER, "events:read", True), (TICKET, READ, False), (TICKET, "events:read", True)],
)
def test_a_refused_request_costs_nothing(
    caller: Principal, scope: str, *, takes_tickets: bool
) -> None:
    """A refusal for a missing scope or for a ticket does not count against any rate limit."""
    counted = Counted()
    with pytest.raises(ProblemError) as caught:
        Authorizer(Changed(""), counted).require(caller, scope, takes_tickets=takes_tickets)
    assert caught.value.members == {"required_scope": scope}
    assert counted.charged == []


@pytest.mark.parametrize("caller", [CALLER, TICKET])
def test_an_upload_goes_on_while_its_caller_may_write(caller: Principal) -> None:
    """A second check uses the caller's current scopes, and does not count against rate limits.

    If the current scopes lack `files:write`, the check refuses the upload.
    """
    counted = Counted()
    now = Authorizer(Changed("files:write"), counted).recheck(caller)
    assert now == msgspec.structs.replace(caller, scopes=frozenset({WRITE}))
    with pytest.raises(ProblemError) as caught:
        Authorizer(Changed("files:read"), counted).recheck(caller)
    assert caught.value.members == {"required_scope": WRITE}
    assert counted.charged == []
