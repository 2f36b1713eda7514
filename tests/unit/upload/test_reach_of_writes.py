"""Tests of which keys a caller may write, by its grants and by its ticket."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit.tickets import Ticket
from servicekit.tokens import Principal
from tests.servers.granted import SUBJECT, principal
from tests.servers.upload import new_file
from wharf_upload.access import reach
from wharf_upload.domain.files import File
from wharf_upload.domain.refusals import NoSuchBucket, OutsideGrants, Refused
from wharf_upload.domain.resumable_upload import Concat, Upload

EVERYTHING = "read,write,delete,list:*"
PIECES = st.lists(st.sampled_from(["a", "b", "a/", "b/"]), max_size=4).map("".join)


def refusal(caller: Principal, bucket: str, key: str = "") -> type[Refused] | None:
    try:
        reach.require_upload(caller, bucket, key)
    except Refused as error:
        return type(error)
    return None


def ticket(prefix: str | None = None, key: str | None = None) -> Ticket:
    return Ticket(bucket="default", prefix=prefix, key=key)


@pytest.mark.parametrize(
    ("granted", "ticket", "key", "expected"),
    [
        ("write:default/in/", None, "in/a", None),
        ("write:default/in/", None, "in", OutsideGrants),
        ("write:default/in/", None, "out/a", OutsideGrants),
        ("read,delete,list:default", None, "in/a", OutsideGrants),
        ("write:photos", None, "in/a", NoSuchBucket),
        ("write:default/in/", None, "", None),
        ("read:default", None, "", OutsideGrants),
        ("write:photos", None, "", NoSuchBucket),
        ("write:default/in/", ticket("in/x/"), "", None),
        ("write:default/in/", ticket(""), "", None),
        ("write:default/in/", ticket("out/"), "", OutsideGrants),
        ("write:default/in/", ticket(key="in/a"), "", None),
        ("write:default/in/", ticket(key="out/a"), "", OutsideGrants),
        ("write:default/in/", ticket("out/"), "out/a", OutsideGrants),
        (EVERYTHING, ticket("out/"), "", None),
    ],
)
def test_who_may_put_a_file(
    granted: str, ticket: Ticket | None, key: str, expected: type[Refused] | None
) -> None:
    """A file may be put where both a `write` grant and the ticket allow it."""
    assert refusal(principal(granted, ticket=ticket), "default", key) == expected


@given(
    st.lists(PIECES, max_size=3),
    st.none() | PIECES,
    PIECES,
)
def test_a_chosen_key(prefixes: list[str], narrow: str | None, key: str) -> None:
    """The keys that may be chosen for a caller are those that both grants and ticket allow."""
    granted = [f"write:default/{prefix}" for prefix in prefixes]
    rules = None if narrow is None else ticket(narrow)
    caller = principal(*granted, "read:default", ticket=rules)
    found = reach.within(caller, "default")
    assert found is not None
    inside = narrow is None or key.startswith(narrow)
    assert key.startswith(found) == (inside and caller.reach.allows("write", "default", key))


def test_any_key_may_be_chosen_for_who_reaches_everything() -> None:
    """Without grants only a ticket limits the keys that may be chosen."""
    assert reach.within(principal(EVERYTHING), "default") is None
    assert reach.within(principal(EVERYTHING, ticket=ticket("")), "default") is None
    assert reach.within(principal(EVERYTHING, ticket=ticket("in/")), "default") == ("in/",)


def upload_of(subject: str, key: str, concat: Concat = "", file: File | None = None) -> Upload:
    return Upload(
        id="u",
        tenant="demo",
        subject=subject,
        bucket="default",
        key=key,
        length=1,
        concat=concat,
        file=file,
        created_at=0,
        expires_at=0,
    )


@pytest.mark.parametrize("whose", [SUBJECT, "client-3"])
@pytest.mark.parametrize("action", ["read", "write"])
@pytest.mark.parametrize("key", ["in/a", "out/a"])
def test_uploads_exist_where_they_are_reached(
    whose: str, action: Literal["read", "write"], key: str
) -> None:
    """A caller finds its own upload if it may write the upload's key.

    The caller finds the upload of another subject if it may read the upload's key.
    """
    found = reach.reaches_upload(principal(f"{action}:default/in/"), upload_of(whose, key))
    needed = "write" if whose == SUBJECT else "read"
    assert found == (key == "in/a" and action == needed)


def test_parts_and_files_of_uploads() -> None:
    """A partial upload may have no key; a finished upload is judged by the key of its file."""
    caller = principal("write:default/in/")
    assert reach.reaches_upload(caller, upload_of(SUBJECT, "", "partial"))
    assert not reach.reaches_upload(caller, upload_of(SUBJECT, "out/a", "partial"))
    assert not reach.reaches_upload(caller, upload_of(SUBJECT, "out/a", "final"))
    assert not reach.reaches_upload(principal("read:default"), upload_of(SUBJECT, "", "partial"))
    renamed = upload_of(SUBJECT, "in/a", file=new_file("out/a"))
    assert not reach.reaches_upload(caller, renamed)
