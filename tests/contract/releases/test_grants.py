"""A release without grants next to a release with grants refuses narrowed tokens."""

from __future__ import annotations

from typing import Any

import jwt
import msgspec
import pytest

from servicekit import tokens
from servicekit.grants import CompactGrant
from servicekit.grants_claim import GrantsClaim
from servicekit.reach import NOTHING
from servicekit.reaches import ReachChange
from servicekit.revocations import Feed, Revocation
from servicekit.testing import AUDIENCE, ISSUER, Issuer
from servicekit.tokens import MalformedToken, Verifier

OWN = (CompactGrant("photos", "in/", "w"),)
CLAIM: dict[str, Any] = msgspec.to_builtins(GrantsClaim(version=1, own=OWN))
TICKET = {"bucket": "photos", "prefix": "in/"}


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    """Return the issuer that signs the tokens."""
    return Issuer()


def verifier(issuer: Issuer) -> Verifier:
    """Return a verifier without a cache."""
    return Verifier(issuer, issuer=ISSUER, audience=AUDIENCE)


@pytest.mark.parametrize("more", [{}, {"ticket": TICKET}], ids=["token", "ticket"])
def test_the_verifier_of_before_refuses(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any]
) -> None:
    """A verifier of a release without grants refuses tokens with grants, and so does a verifier of
    0.1.0, which knows no extension.

    Today's verifier accepts such a token. Its reach is empty until the grants are read.
    """
    token = issuer.token(grants=CLAIM, **more)
    principal = verifier(issuer).verify(token)
    assert principal.grants == GrantsClaim(version=1, own=OWN)
    assert principal.reach == NOTHING

    with pytest.raises(jwt.InvalidTokenError, match="wharf-narrows"):
        jwt.decode(token, issuer.private_key.public_key(), [tokens.ALGORITHM], audience=AUDIENCE)
    plain = issuer.token()
    monkeypatch.setattr(tokens, "NARROWING", frozenset({"ticket"}))
    with pytest.raises(MalformedToken, match="narrowed by a claim that is not supported"):
        verifier(issuer).verify(token)
    assert verifier(issuer).verify(plain).subject == "client-1"


def test_a_token_of_before_has_no_list(issuer: Issuer) -> None:
    """A token from a release without grants has no `crit` in its header and
    keeps its whole reach.
    """
    token = issuer.token()
    assert "crit" not in jwt.get_unverified_header(token)
    principal = verifier(issuer).verify(token)
    assert principal.grants is None
    assert principal.reach.is_everything


class EntryOfBefore(msgspec.Struct, frozen=True, kw_only=True):
    """A feed entry as a release without grants reads it."""

    seq: int
    kind: str
    id: str = ""
    tenant: str = ""
    state: str = "revoked"
    until: int | None = None
    at: int = 0


class FeedOfBefore(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the feed as a release without grants reads it."""

    entries: tuple[EntryOfBefore, ...]
    latest: int


def test_an_older_release_reads_the_feed() -> None:
    """A release without grants reads pages of the feed that have entries about grants."""
    change = ReachChange(version=7, grants=OWN, scopes="files:read", groups=("g",))
    entries = (
        Revocation(seq=1, tenant="demo", kind="reach", id="c", state="changed", reach=change),
        Revocation(seq=2, tenant="demo", kind="group", id="g", state="changed", reach=change),
        Revocation(seq=3, tenant="demo", kind="token", id="t"),
    )
    page = msgspec.json.encode(Feed(entries=entries, latest=3))
    read = msgspec.json.decode(page, type=FeedOfBefore)
    assert [(one.kind, one.id, one.state) for one in read.entries] == [
        ("reach", "c", "changed"),
        ("group", "g", "changed"),
        ("token", "t", "revoked"),
    ]
