"""The claim `grants` of tokens: its content, its omissions, and verifiers that refuse it."""

from __future__ import annotations

from typing import Any

import jwt
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servicekit import grants_claim
from servicekit.grants import Compact, CompactGrant
from servicekit.grants_claim import MAX_CLAIM_BYTES, GrantsClaim, GroupPart, fits, fitting
from servicekit.reach import EVERYTHING, NOTHING
from servicekit.testing import AUDIENCE, ISSUER, Issuer
from servicekit.tokens import NARROWS, MalformedToken, Verifier, critical

OWN: Compact = (CompactGrant("photos", "u/u1/", "rw"),)


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture(scope="module")
def verifier(issuer: Issuer) -> Verifier:
    return Verifier(issuer, issuer=ISSUER, audience=AUDIENCE)


def test_a_token_with_grants_reaches_nothing_until_they_are_resolved(
    issuer: Issuer, verifier: Verifier
) -> None:
    """With the claim the verifier returns an empty reach, and without the claim a reach of all."""
    claim = GrantsClaim(5, OWN, "files:read", "ann", (GroupPart("g1", 4, "files:write", OWN),))
    principal = verifier.verify(issuer.token(grants=msgspec.to_builtins(claim)))
    assert principal.grants == claim
    assert hash(principal.grants) == hash(claim)
    assert principal.reach == NOTHING
    plain = verifier.verify(issuer.token())
    assert plain.grants is None
    assert plain.reach is EVERYTHING


def test_the_claim_is_critical(issuer: Issuer) -> None:
    """The header names the claim as critical, so that older verifiers refuse the token."""
    claim = msgspec.to_builtins(GrantsClaim(5, OWN))
    header = msgspec.json.decode(
        jwt.utils.base64url_decode(issuer.token(grants=claim).split(".")[0])
    )
    assert (header["crit"], header[NARROWS]) == ([NARROWS], ["grants"])
    assert critical({"grants": claim, "ticket": {}})[NARROWS] == ["grants", "ticket"]


def test_a_token_cannot_lose_the_claim_that_its_header_names(
    issuer: Issuer, verifier: Verifier
) -> None:
    """A token is refused if its header names the claim and the token lacks the claim."""
    with pytest.raises(MalformedToken, match="lacks a claim"):
        verifier.verify(issuer.token(headers={"crit": [NARROWS], NARROWS: ["grants"]}))


@pytest.mark.parametrize(
    "claim",
    [
        None,
        [],
        {},
        {"v": "5"},
        {"v": 5, "until": 7},
        {"v": 5, "own": [["photos", "", "r", "x"]]},
        {"v": 5, "own": [["photos", ""]]},
        {"v": 5, "own": "photos"},
        {"v": 5, "g": [["g1", 4, "", None, "x"]]},
        {"v": 5, "g": [["g1"]]},
    ],
)
def test_a_claim_that_is_not_understood_is_refused(
    issuer: Issuer, verifier: Verifier, claim: Any
) -> None:
    """A malformed claim, and a claim with an unknown member or an unknown field of a grant or
    group, are refused.
    """
    claims = {**issuer.claims(), "grants": claim}
    header = {"typ": "at+jwt", "kid": issuer.kid, **critical(claims)}
    with pytest.raises(MalformedToken, match="grants"):
        verifier.verify(jwt.encode(claims, issuer.private_key, "RS256", header))


_LISTS = st.lists(
    st.builds(CompactGrant, st.just("photos"), st.text("ab/", max_size=200), st.just("rwdl")),
    max_size=12,
).map(tuple)
_PARTS = st.lists(
    st.builds(
        GroupPart,
        st.uuids().map(lambda value: value.hex),
        st.integers(1_795_000_000_000, 1_800_000_000_000),
        st.just("files:read files:write files:delete buckets:admin events:read"),
        _LISTS,
    ),
    max_size=grants_claim.MAX_GROUPS,
).map(tuple)


@settings(max_examples=50)
@given(_LISTS, _PARTS, st.text(max_size=100))
def test_any_claim_fits(own: Compact, groups: tuple[GroupPart, ...], username: str) -> None:
    """A claim has at most 2 KiB, and marks the parts that it omits."""
    whole = GrantsClaim(1_795_000_000_000, own, "files:read", username, groups)
    claim = fitting(whole)
    assert len(msgspec.json.encode(claim)) <= MAX_CLAIM_BYTES
    assert claim.own == (own if fits(own) else None)
    assert [part.group for part in claim.groups] == [part.group for part in groups]
    for part, before in zip(claim.groups, groups, strict=True):
        # The claim omits a part completely, with its scopes, and never shortens its list.
        assert part == before or (part.grants, part.scopes) == (None, "")
        assert part.version == before.version
    if len(msgspec.json.encode(whole)) <= MAX_CLAIM_BYTES and fits(own):
        assert claim == whole


def test_groups_of_scopes_alone_fit() -> None:
    """If the claim is too long, scopes of groups without grants are omitted, too."""
    own = tuple(CompactGrant(f"bucket-{number:02}", "p" * 70, "rwdl") for number in range(6))
    assert fits(own)
    scopes = "files:read files:write files:delete buckets:admin events:read"
    groups = tuple(
        GroupPart(f"{number:032x}", 1_795_000_000_000, scopes, ())
        for number in range(grants_claim.MAX_GROUPS)
    )
    claim = fitting(GrantsClaim(1_795_000_000_000, own, scopes, "ada", groups))
    assert len(msgspec.json.encode(claim)) <= MAX_CLAIM_BYTES
    left_out = [part for part in claim.groups if part.grants is None]
    assert left_out
    assert {part.scopes for part in left_out} == {""}
    assert claim.own == own
