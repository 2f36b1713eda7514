"""Tests of the names of objects, and of the hours by which they are listed."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit.ids import uuid7_hex
from wharf_upload.storage.base import BlobName, Made
from wharf_upload.storage.s3.names import blob_name, hour_prefixes, object_name
from wharf_upload.storage.s3.uploading import part_bytes

_TENANTS = st.text("a0-z9", min_size=1, max_size=61).map(lambda middle: f"a{middle}9")
_SECONDS = st.integers(1_600_000_000, 4_000_000_000)


def made_at(seconds: int) -> str:
    return f"{seconds * 1000:012x}{uuid7_hex()[12:]}"


@given(tenant=_TENANTS, seconds=_SECONDS, prefix=st.sampled_from(["", "a/", "a.b/c_d/"]))
def test_there_and_back(tenant: str, seconds: int, prefix: str) -> None:
    """An object's name parses to the name of its blob."""
    name = BlobName(tenant, made_at(seconds))
    assert blob_name(prefix, object_name(prefix, name)) == name


def test_a_name() -> None:
    """An object's name begins with the hour of its identifier, in UTC."""
    blob = UUID("01a22969-4a27-70c1-be7a-d2516115577f").hex
    assert object_name("w/", BlobName("acme", blob)) == f"w/2026112922/acme/{blob}"


@pytest.mark.parametrize(
    "key",
    [
        "2026112922/acme/01a229694a2770c1be7ad2516115577f",
        "w/2026112921/acme/01a229694a2770c1be7ad2516115577f",
        "w/2026112922/acme/01A229694A2770C1BE7AD2516115577F",
        "w/2026112922/acme/x/01a229694a2770c1be7ad2516115577f",
        "w/2026112922/../01a229694a2770c1be7ad2516115577f",
        "w/2026112922/acme/01a229694a2770c1be7ad2516115577f.txt",
        "w/",
        "",
    ],
)
def test_objects_of_others(key: str) -> None:
    """The sweeper ignores an object outside the prefix, of a wrong hour, or with wrong letters."""
    assert blob_name("w/", key) is None


@given(begin=_SECONDS, length=st.integers(1, 200_000), within=st.floats(0, 0.999))
def test_hours_cover_a_span(begin: int, length: int, within: float) -> None:
    """The prefixes of a span of time cover each blob from the span, and each one is needed."""
    prefixes = list(hour_prefixes("w/", Made(begin, begin + length)))
    name = BlobName("acme", made_at(begin + int(length * within)))
    assert any(object_name("w/", name).startswith(prefix) for prefix in prefixes)
    assert len(set(prefixes)) == len(prefixes) <= (length + 3599) // 3600 + 1


@given(size=st.integers(64 << 20, 5 << 40))
def test_parts(size: int) -> None:
    """A file of up to 5 TiB has at most 9000 parts of at least 16 MiB, except for the last."""
    assert part_bytes(size) >= 16 << 20
    assert -(-size // part_bytes(size)) <= 9000
