"""Tests of tokens when a connection begins, while it is open, and when the token expires."""

from __future__ import annotations

import time

import msgspec
import pytest

from servicekit.problems import (
    FORBIDDEN,
    SCOPE_MISSING,
    TOKEN_EXPIRED,
    TOKEN_MALFORMED,
    TOKEN_REVOKED,
    Problem,
    ProblemError,
)
from servicekit.reach import EVERYTHING, NOTHING
from servicekit.testing import ISSUER, Issuer
from servicekit.tokens import Principal, Verifier
from wharf_upload.live.credentials import AUDIENCES, TokenJudge


class Revoked:
    """A revocation checker with revoked tokens, withdrawn scopes and a reach, set by the test."""

    def __init__(self) -> None:
        self.tokens: set[str] = set()
        self.taken: set[str] = set()
        self.reach = EVERYTHING

    def accepted(self, principal: Principal) -> Principal:
        if principal.token_id in self.tokens:
            raise TOKEN_REVOKED("The token was revoked.")
        return msgspec.structs.replace(
            principal, scopes=principal.scopes - self.taken, reach=self.reach
        )


class Judged:
    """A judge whose clock and revocations the test sets."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer, self.revoked, self.now = issuer, Revoked(), time.time()
        verifier = Verifier(issuer, issuer=ISSUER, audience=AUDIENCES, clock=lambda: self.now)
        self.judge = TokenJudge(verifier, self.revoked, lambda: self.now)

    def problem(self, token: str) -> Problem | None:
        """Return the problem with which the judge refuses the token, or None."""
        try:
            self.judge.accept(token)
        except ProblemError as error:
            return error.problem
        return None

    def refusal(self, principal: Principal) -> Problem | None:
        """Return the problem with which the judge ends the connection, or None."""
        try:
            self.judge.recheck(principal)
        except ProblemError as error:
            return error.problem
        return None


@pytest.fixture
def judged(issuer: Issuer) -> Judged:
    return Judged(issuer)


@pytest.mark.parametrize(
    ("claims", "problem"),
    [
        ({}, None),
        ({"aud": "live"}, None),
        ({"aud": ["live", "other"]}, None),
        ({"aud": "console"}, TOKEN_MALFORMED),
        ({"aud": []}, TOKEN_MALFORMED),
        ({"aud": None}, TOKEN_MALFORMED),
        ({"scope": "buckets:admin"}, SCOPE_MISSING),
        ({"scope": None}, SCOPE_MISSING),
    ],
)
def test_audiences_and_scopes(
    judged: Judged, claims: dict[str, object], problem: Problem | None
) -> None:
    """The judge accepts only tokens for the API or the live channel that have a scope to listen."""
    token = judged.issuer.token(**claims)  # type: ignore[arg-type]
    assert judged.problem(token) is problem


def test_the_end_of_a_token(judged: Judged) -> None:
    """A connection ends in the second in which its token expires, without the API's leeway."""
    token = judged.issuer.token(exp=int(judged.now) + 30)
    principal = judged.judge.accept(token)
    assert judged.refusal(principal) is None
    judged.now = principal.expires_at
    assert judged.refusal(principal) is TOKEN_EXPIRED
    assert judged.problem(token) is TOKEN_EXPIRED


def test_revoked_in_the_middle(judged: Judged) -> None:
    """A revoked token ends its connection immediately and cannot open another one."""
    token = judged.issuer.token(jti="bad")
    principal = judged.judge.accept(token)
    judged.revoked.tokens.add("bad")
    assert judged.refusal(principal) is TOKEN_REVOKED
    assert judged.problem(token) is TOKEN_REVOKED


def test_changed_in_the_middle(judged: Judged) -> None:
    """A connection gets changed grants, and ends when its token loses the last scope to listen."""
    token = judged.issuer.token(scope="files:read files:delete")
    principal = judged.judge.accept(token)
    assert principal.reach is EVERYTHING
    judged.revoked.reach = NOTHING
    assert judged.judge.recheck(principal).reach is NOTHING
    judged.revoked.taken.add("files:read")
    assert judged.refusal(principal) is SCOPE_MISSING


def test_renewal(judged: Judged) -> None:
    """A connection accepts a newer token of its own tenant and subject only."""
    principal = judged.judge.accept(judged.issuer.token())
    newer = judged.judge.renew(principal, judged.issuer.token(scope="files:read", aud="live"))
    assert newer.scopes == {"files:read"}
    for claims in ({"tid": "other"}, {"sub": "client-2"}):
        with pytest.raises(ProblemError) as caught:
            judged.judge.renew(principal, judged.issuer.token(**claims))  # type: ignore[arg-type]
        assert caught.value.problem is FORBIDDEN
    with pytest.raises(ProblemError) as caught:
        judged.judge.renew(principal, "nothing")
    assert caught.value.problem is TOKEN_MALFORMED
