"""Tests of which listener gets which event, by scopes, owners and buckets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit.grants import CompactGrant
from servicekit.problems import SCOPE_MISSING, ProblemError
from servicekit.reach import EVERYTHING as WHOLE
from servicekit.reach import Reach, reach_of
from servicekit.tickets import Ticket
from servicekit.tokens import Principal
from tests.servers.upload import new_file
from wharf_upload.domain.events import Event
from wharf_upload.domain.files import FileAddress
from wharf_upload.live.rules import require_listener, sees, told
from wharf_upload.notices.messages import Progress

SCOPES = ("events:read", "files:read", "files:write", "files:delete", "buckets:admin")
KINDS = (
    *("file.created", "file.moved", "file.news"),
    *("quota.warning", "webhook.disabled", "bucket.made"),
)
EVERYTHING: frozenset[str] = frozenset()


def principal(
    *scopes: str, subject: str = "me", ticket: Ticket | None = None, reach: Reach = WHOLE
) -> Principal:
    """Return a principal of a tenant."""
    return Principal(
        tenant="demo",
        subject=subject,
        scopes=frozenset(scopes),
        token_id="t",
        expires_at=1,
        ticket=ticket,
        reach=reach,
    )


def event(kind: str, owner: str | None = "me", bucket: str = "default") -> Event:
    """Return an event, which has no file if there is no owner."""
    file = None if owner is None else new_file("a", owner=owner, bucket=bucket)
    return Event(seq=1, kind=kind, at=1, file=file)


@given(
    scopes=st.sets(st.sampled_from(SCOPES)),
    kind=st.sampled_from(KINDS),
    owner=st.sampled_from(["me", "other", None]),
    buckets=st.sets(st.sampled_from(["default", "photos"])),
)
def test_events(scopes: set[str], kind: str, owner: str | None, buckets: set[str]) -> None:
    """By its scope, a listener gets all events, all events of files, or the events of its own
    files. If the listener has chosen buckets, it gets only events of these buckets.
    """
    heard = told(principal(*scopes), frozenset(buckets), event(kind, owner)) is not None
    of_files = kind.startswith("file.")
    allowed = (
        "events:read" in scopes
        or (of_files and "files:read" in scopes)
        or (of_files and "files:write" in scopes and owner == "me")
    )
    narrowed = not buckets or (owner is not None and "default" in buckets)
    assert heard == (allowed and narrowed)


@given(scopes=st.sets(st.sampled_from(SCOPES)), owner=st.sampled_from(["me", "other"]))
def test_progress(scopes: set[str], owner: str) -> None:
    """A listener sees all uploads by `files:read`, and its own uploads by `files:write`."""
    progress = Progress("demo", owner, "u", "default", "a", 1, 2, 3)
    allowed = "files:read" in scopes or ("files:write" in scopes and owner == "me")
    assert sees(principal(*scopes), EVERYTHING, progress) == allowed
    assert not sees(principal(*scopes), frozenset(("photos",)), progress)


def test_a_move_is_of_both_buckets() -> None:
    """A listener to the bucket that a file has left receives the move."""
    moved = Event(
        seq=1,
        kind="file.moved",
        at=1,
        file=new_file("a", bucket="new"),
        moved_from=FileAddress("old", "a"),
    )
    listener = principal("events:read")
    assert told(listener, frozenset(("old",)), moved) is moved
    assert told(listener, frozenset(("new",)), moved) is moved
    assert told(listener, frozenset(("third",)), moved) is None


def test_buckets_of_what_is_told() -> None:
    """A listener that may read one end of a move does not learn the bucket of the other end."""
    moved = Event(
        seq=1,
        kind="file.moved",
        at=1,
        file=new_file("a", bucket="new"),
        moved_from=FileAddress("old", "a"),
    )
    for own, other, kind in (("new", "old", "file.moved"), ("old", "new", "file.deleted")):
        listener = principal("events:read", reach=reach_of([CompactGrant(own, "", "r")]))
        heard = told(listener, frozenset((own,)), moved)
        assert heard is not None
        assert (heard.kind, heard.moved_from) == (kind, None)
        assert told(listener, frozenset((other,)), moved) is None


@pytest.mark.parametrize("scope", ["events:read", "files:read", "files:write"])
@pytest.mark.parametrize(("letters", "hears"), [("r", True), ("wdl", False)])
def test_events_need_a_grant(scope: str, letters: str, *, hears: bool) -> None:
    """With any scope, a listener with limited grants gets an event of a file only if it may read
    the file's key, and gets no event without a file.
    """
    listener = principal(scope, reach=reach_of([CompactGrant("default", "a", letters)]))
    assert (told(listener, EVERYTHING, event("file.created")) is not None) == hears
    assert told(listener, EVERYTHING, event("quota.warning", owner=None)) is None


@pytest.mark.parametrize(
    ("key", "owner", "prefix", "letters", "seen"),
    [
        ("a/1", "me", "a/", "w", True),
        ("a/1", "me", "a/", "r", True),
        ("a/1", "me", "a/", "dl", False),
        ("a/1", "me", "b/", "rwdl", False),
        ("a/1", "other", "a/", "r", True),
        ("a/1", "other", "a/", "w", False),
        ("", "me", "a/", "w", True),
        ("", "me", "a/", "l", False),
        ("", "other", "a/", "rw", False),
        ("", "other", "", "r", True),
    ],
)
def test_progress_needs_a_grant(
    key: str, owner: str, prefix: str, letters: str, *, seen: bool
) -> None:
    """A listener sees its own upload if it may write the upload's key.

    The listener sees the upload of another subject if it may read the upload's key.
    """
    progress = Progress("demo", owner, "u", "default", key, 1, 2, 3)
    reach = reach_of([CompactGrant("default", prefix, letters)])
    listener = principal("files:read", "files:write", reach=reach)
    assert sees(listener, EVERYTHING, progress) == seen


@given(scopes=st.sets(st.sampled_from(SCOPES)))
def test_who_may_listen_at_all(scopes: set[str]) -> None:
    """A token without events:read, files:read and files:write is refused, as is every ticket."""
    if scopes.isdisjoint(("events:read", "files:read", "files:write")):
        with pytest.raises(ProblemError) as caught:
            require_listener(principal(*scopes))
        assert caught.value.problem is SCOPE_MISSING
    else:
        require_listener(principal(*scopes))
    with pytest.raises(ProblemError):
        require_listener(principal(*scopes, ticket=Ticket(bucket="b", key="k")))
