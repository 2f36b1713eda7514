"""Tests of the admission token, by which the gateway names the admitted caller after a body."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from servicekit.grants import CompactGrant
from servicekit.grants_claim import GrantsClaim
from servicekit.reach import EVERYTHING, NOTHING, reach_of
from servicekit.tokens import Principal
from wharf_upload.http import admission_token
from wharf_upload.http.admission_token import Admitted
from wharf_upload.http.request import Request

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
_LENGTHS = st.one_of(st.none(), st.integers(0, (1 << 63) - 1))


def handed_back(token: str) -> Admitted | None:
    """Return the admitted caller as the gateway's next request carries it."""
    return admission_token.of_request(Request({"ADMISSION": token, "REQUEST_METHOD": "PUT"}, ""))


@given(subject=_TEXT, lengths=st.lists(_LENGTHS, min_size=2, max_size=3))
def test_whoever_was_admitted_comes_back(subject: str, lengths: list[int | None]) -> None:
    """An admission token decodes to the same caller and length, for any name."""
    principal = Principal("acme", subject, frozenset({"files:write"}), "jti", 9)
    for length in lengths:
        admitted = Admitted(principal, length)
        assert handed_back(admission_token.encode(admitted)) == admitted


def test_a_reach_is_not_handed_back() -> None:
    """An admission token carries the grants claim, but not the reach that follows from it."""
    own = (CompactGrant("photos", "in/", "w"),)
    claim = GrantsClaim(1, own, "files:write")
    principal = Principal("acme", "c1", frozenset(), "jti", 9, grants=claim, reach=reach_of(own))
    back = handed_back(admission_token.encode(Admitted(principal, 5)))
    assert back is not None
    assert (back.principal.grants, back.principal.reach) == (claim, NOTHING)


def test_many_callers() -> None:
    """Admission tokens of thousands of callers are never mixed up."""
    for number in range(3000):
        principal = Principal("acme", f"c{number}", frozenset(), "jti", 9, reach=EVERYTHING)
        back = handed_back(admission_token.encode(Admitted(principal, number)))
        assert back == Admitted(principal, number)
