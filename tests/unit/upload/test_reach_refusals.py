"""Tests of refusals by grants: the key is absent, or the missing grant is named."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec
import pytest

from servicekit.problems import ProblemError
from servicekit.tickets import Ticket
from servicekit.tokens import Principal
from tests.servers.granted import SUBJECT, principal
from wharf_upload.access import reach
from wharf_upload.domain.files import FileAddress
from wharf_upload.domain.refusals import NoSuchBucket, NoSuchFile, OutsideGrants, Refused
from wharf_upload.domain.resumable_upload import Upload

ALL = "read,write,delete,list:*"
A, B = FileAddress("default", "a/1"), FileAddress("photos", "b/1")
Missing = type[Refused] | tuple[str, str, str] | None


def refusal(call: Callable[[], None]) -> Missing:
    """Return the missing grant of the refusal, or the error's type, or None."""
    try:
        call()
    except OutsideGrants as error:
        return error.action, error.bucket, error.key
    except Refused as error:
        return type(error)
    return None


@pytest.mark.parametrize(
    ("granted", "read", "write", "delete"),
    [
        (ALL, None, None, None),
        ("read,write,delete:default/a/", None, None, None),
        ("read:default/a/", None, ("write", "default", "a/1"), ("delete", "default", "a/1")),
        ("list:default/a/", ("read", "default", "a/1"), ("write", "default", "a/1"),
         ("delete", "default", "a/1")),
        ("write:default/a/", NoSuchFile, None, NoSuchFile),
        ("delete:default/a/", NoSuchFile, ("write", "default", "a/1"), None),
        ("read:default/b/", NoSuchFile, ("write", "default", "a/1"), NoSuchFile),
        ("read:photos", NoSuchBucket, NoSuchBucket, NoSuchBucket),
        ("read:default/a/1", None, ("write", "default", "a/1"), ("delete", "default", "a/1")),
        ("read:default/a/11", NoSuchFile, ("write", "default", "a/1"), NoSuchFile),
    ],
)  # fmt: skip
def test_a_key(granted: str, read: Missing, write: Missing, delete: Missing) -> None:
    """If no grant names the bucket, every request gets `NoSuchBucket`.

    Otherwise a refused read or deletion of a key that the caller may neither read nor list gets
    `NoSuchFile`, and every other refusal names the missing grant.
    """
    caller = principal(granted)
    assert refusal(lambda: reach.require(caller, "read", "default", "a/1")) == read
    assert refusal(lambda: reach.require(caller, "write", "default", "a/1")) == write
    assert refusal(lambda: reach.require(caller, "delete", "default", "a/1")) == delete
    known = not isinstance(read, type)
    assert reach.is_known(caller, "default", "a/1") == known


@pytest.mark.parametrize(
    ("granted", "below", "somewhere", "whole", "everything"),
    [
        (ALL, None, None, None, None),
        ("read,write,delete,list:default", None, None, None, ("administer", "", "")),
        ("read:default", None, None, ("administer", "default", ""), ("administer", "", "")),
        ("read:default/a", None, None, ("administer", "default", ""), ("administer", "", "")),
        ("read:default/a/1", ("read", "default", "a/"), None, ("administer", "default", ""),
         ("administer", "", "")),
        ("write:default", ("read", "default", "a/"), ("read", "default", ""),
         ("administer", "default", ""), ("administer", "", "")),
        ("read,write,delete,list:photos", NoSuchBucket, NoSuchBucket, NoSuchBucket,
         ("administer", "", "")),
    ],
)  # fmt: skip
def test_more_than_a_key(
    granted: str, below: Missing, somewhere: Missing, whole: Missing, everything: Missing
) -> None:
    """The refusal for a folder, a bucket or the whole tenant names the missing grant.

    For a folder or bucket, the bucket is absent if no grant of the caller names it.
    """
    caller = principal(granted)
    assert refusal(lambda: reach.require_below(caller, "read", "default", "a/")) == below
    assert refusal(lambda: reach.require_somewhere(caller, "read", "default")) == somewhere
    assert refusal(lambda: reach.require_whole_bucket(caller, "default")) == whole
    assert refusal(lambda: reach.require_everything(caller)) == everything


@pytest.mark.parametrize(
    ("granted", "named"),
    [
        ((ALL,), None),
        (("read:*",), None),
        (("read:*", "write:photos"), None),
        (("read:photos", "write:default/a", "list:archive"), ("archive", "default", "photos")),
        ((), ()),
    ],
)
def test_named_buckets(granted: tuple[str, ...], named: tuple[str, ...] | None) -> None:
    """The buckets that grants name are returned in order, or None if a grant names all buckets."""
    assert reach.named_buckets(principal(*granted)) == named


@pytest.mark.parametrize(
    ("granted", "expected"),
    [
        (("read,write,delete:default/a/", "write:photos/b/"), None),
        (("write,delete:default/a/", "write:photos/b/"), NoSuchFile),
        (("read,delete:default/a/", "write:photos/b/"), ("write", "default", "a/1")),
        (("read,write:default/a/", "write:photos/b/"), ("delete", "default", "a/1")),
        (("read,write,delete:default/a/", "read:photos/b/"), ("write", "photos", "b/1")),
        (("read,write,delete:default/a/",), NoSuchBucket),
        (("read,write,delete:photos/b/",), NoSuchBucket),
    ],
)
def test_a_move(granted: tuple[str, ...], expected: Missing) -> None:
    """A move needs read, write and delete on the source, and write on the target."""
    assert refusal(lambda: reach.require_move(principal(*granted), A, B)) == expected


def test_a_move_needs_the_scope_of_deletions_for_who_has_grants() -> None:
    """A caller with grants needs `files:delete` for a move. Any other caller needs only
    `files:write`.
    """

    def without(caller: Principal) -> Principal:
        return msgspec.structs.replace(caller, scopes=frozenset({"files:read", "files:write"}))

    reach.require_move(without(principal(ALL)), A, B)
    with pytest.raises(ProblemError) as caught:
        reach.require_move(without(principal("read,write,delete:*")), A, B)
    assert caught.value.members == {"required_scope": "files:delete"}


@pytest.mark.parametrize(
    ("prefix", "granted", "expected"),
    [
        (None, "read:default", ("write", "default", "")),
        ("out/", "write:default/in/", ("write", "default", "out/")),
        ("in", "write:default/out/", ("write", "default", "in")),
        ("in", "write:default/in/", None),
        ("", "write:default/in/", None),
    ],
)
def test_a_ticket_that_reaches_nothing(prefix: str | None, granted: str, expected: Missing) -> None:
    """If a ticket and its maker's grants have no common key, the refusal names a grant for the
    ticket's prefix.
    """
    ticket = None if prefix is None else Ticket(bucket="default", prefix=prefix)
    caller = principal(granted, ticket=ticket)
    assert refusal(lambda: reach.require_upload(caller, "default")) == expected


def test_the_upload_of_somebody_else() -> None:
    """Ending another subject's upload needs the action `delete`, even if the caller may write."""
    upload = Upload(
        id="u", tenant="demo", subject=SUBJECT, bucket="default", key="a/1", length=1,
        created_at=0, expires_at=0,
    )  # fmt: skip
    reach.require_end(principal("delete:default/a/"), upload)
    for caller in (principal("read,write,list:default"), principal("delete:photos")):
        missing = refusal(partial(reach.require_end, caller, upload))
        assert missing == ("delete", "default", "a/1")
