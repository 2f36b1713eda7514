"""Tests of the origins whose pages may listen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit.problems import ProblemError
from wharf_upload.live.origins import OriginCheck

LISTED = "https://app.example"


class Lists:
    """Records in which a tenant lists one origin."""

    def allows(self, tenant: str | None, bucket: str | None, origin: str | None) -> bool:
        return tenant in {"demo", None} and bucket is None and origin == LISTED


CHECK = OriginCheck("https://Files.example:8443/auth", Lists())


@pytest.mark.parametrize(
    ("origin", "host", "tenant", "allowed"),
    [
        ("https://files.example:8443", "x", "other", True),
        ("https://files.example", "x", "other", False),
        ("http://files.example:8443", "x", "other", False),
        ("https://here.example", "here.example", "other", True),
        ("http://HERE.example", "here.EXAMPLE", "other", True),
        ("http://here.example:81", "here.example", "other", False),
        (LISTED, "x", "demo", True),
        (LISTED, "x", "other", False),
        (LISTED, "x", None, True),
        ("null", "", "demo", False),
        ("https://", "", "demo", False),
        (f"{LISTED}, https://evil.example", "x", "demo", False),
    ],
)
def test_whose_page(origin: str, host: str, tenant: str | None, *, allowed: bool) -> None:
    """An origin may listen if it is the issuer's, the requested host's or a listed one."""
    assert CHECK.allows(origin, host, tenant) is allowed


@given(st.text(max_size=40))
def test_strangers(origin: str) -> None:
    """Any other origin is refused. A request without an origin passes, because a page of another
    origin always sends its origin.
    """
    if origin in {"", LISTED, "https://files.example:8443"}:
        CHECK.require(origin, "here.example", "demo")
        return
    if origin.lower() in {"https://here.example", "http://here.example"}:
        return
    with pytest.raises(ProblemError):
        CHECK.require(origin, "here.example", "demo")
