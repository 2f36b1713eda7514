"""Tests of events for a caller with grants: what each event shows, and how lists continue."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit.grants import CompactGrant
from servicekit.reach import EVERYTHING, NOTHING, reach_of
from tests.servers.upload import UploadService, new_file
from wharf_upload.access.events_in_reach import told
from wharf_upload.database.events import SqlEvents
from wharf_upload.domain.events import Event
from wharf_upload.domain.file_writes import Move, Write
from wharf_upload.domain.files import File, FileAddress
from wharf_upload.domain.tenant_limits import Limits
from wharf_upload.http.event_cursors import cursor_of

_BUCKETS, _KEYS = ["default", "photos"], ["a/1", "a/2", "b/1", "c"]
_PLACES = st.tuples(st.sampled_from(_BUCKETS), st.sampled_from(_KEYS))
_GRANTS = st.lists(
    st.builds(
        CompactGrant,
        st.sampled_from([*_BUCKETS, "*"]),
        st.sampled_from(["", "a/", "b/", "c"]),
        st.sampled_from(["r", "w", "l", "rwdl", "rw"]),
    ),
    max_size=4,
)


def reads(grants: list[CompactGrant], place: tuple[str, str]) -> bool:
    """Return whether some grant of the bucket allows the key to be read (the model)."""
    bucket, key = place
    return any(
        grant.bucket in (bucket, "*") and key.startswith(grant.prefix) and "r" in grant.letters
        for grant in grants
    )


@given(grants=_GRANTS, at=_PLACES, origin=_PLACES | st.none())
def test_nothing_is_told_of_a_key_that_may_not_be_read(
    grants: list[CompactGrant], at: tuple[str, str], origin: tuple[str, str] | None
) -> None:
    """An event is shown only if one of its keys may be read, and names no other key."""
    file = new_file(at[1], bucket=at[0])
    moved_from = None if origin is None else FileAddress(*origin)
    kind = "file.created" if origin is None else "file.moved"
    event = Event(seq=1, kind=kind, at=1, file=file, moved_from=moved_from)
    heard = told(reach_of(grants), event)
    ends = [at] if origin is None else [at, origin]
    assert (heard is not None) == any(reads(grants, end) for end in ends)
    if heard is None:
        return
    assert heard.file is not None
    shown = [(place.bucket, place.key) for place in (heard.file, heard.moved_from) if place]
    assert all(reads(grants, place) for place in shown)
    assert set(shown) == {end for end in ends if reads(grants, end)}
    assert heard.kind == (kind if reads(grants, at) else "file.deleted")


def test_what_left_has_no_new_name() -> None:
    """A caller that may read only a move's old key learns neither new name nor new expiry."""
    file = msgspec.structs.replace(
        new_file("secret/plan.pdf"), filename="plan.pdf", expires_at=1 << 40
    )
    event = Event(
        seq=1, kind="file.moved", at=1, file=file, moved_from=FileAddress("default", "a/draft.pdf")
    )
    heard = told(reach_of([CompactGrant("default", "a/", "r")]), event)
    assert heard is not None
    assert "plan" not in msgspec.json.encode(heard).decode()
    assert heard.file is not None
    assert (heard.file.filename, heard.file.expires_at) == ("draft.pdf", None)


def test_what_left_is_as_it_was() -> None:
    """A reader of a move's old key sees a deletion with the file's metadata.

    The event has the file's name if the move keeps the last segment of the key; otherwise the last
    segment of the old key is the name.

    A caller that may read both keys sees a move.
    """
    file = msgspec.structs.replace(
        new_file("secret/b/plan.pdf"), filename="Plan of May.pdf", metadata={"by": "me"}
    )
    for old, name in (("a/b/c/plan.pdf", file.filename), ("a/b/c/old.pdf", "old.pdf")):
        moved = Event(
            seq=1, kind="file.moved", at=1, file=file, moved_from=FileAddress("photos", old)
        )
        heard = told(reach_of([CompactGrant("photos", "a/", "r")]), moved)
        assert heard is not None
        was = msgspec.structs.replace(file, bucket="photos", key=old, filename=name)
        assert (heard.kind, heard.file, heard.moved_from) == ("file.deleted", was, None)
        both = [CompactGrant("photos", "a/", "r"), CompactGrant("default", "secret/", "r")]
        assert told(reach_of(both), moved) is moved


def test_a_new_key_is_told_as_a_move(upload: UploadService) -> None:
    """A caller that may read only the old key sees a deletion. A caller that may read only the new
    key does not see the old key.
    """
    kept = new_file("a/old.txt")
    upload.records.write(Write(files=(kept,)))
    change = {"filename": "plan.txt", "metadata": {"why": "secret"}, "expires_at": 1 << 50}
    upload.records.change(
        kept, lambda file: msgspec.structs.replace(file, key="b/old.txt", **change), None
    )
    old, new = (reach_of([CompactGrant("default", prefix, "r")]) for prefix in ("a/", "b/"))
    event = upload.records.events(upload.tenant, 0, 10)[-1]
    assert (event.kind, event.moved_from) == ("file.changed", FileAddress("default", "a/old.txt"))
    left, came = told(old, event), told(new, event)
    assert left is not None
    assert (left.kind, left.moved_from) == ("file.deleted", None)
    assert left.file == msgspec.structs.replace(kept, filename="old.txt")
    assert came == msgspec.structs.replace(event, moved_from=None)


def test_events_without_a_file() -> None:
    """Warnings and unknown kinds of events are shown only to a caller without limits."""
    for kind in ("quota.warning", "webhook.disabled", "file.news"):
        event = Event(seq=1, kind=kind, at=1)
        assert told(EVERYTHING, event) is event
        for reach in (NOTHING, reach_of([CompactGrant("*", "", "r")])):
            assert told(reach, event) is None


# ---- the list ----

_OWN = [["default", "a/", "rl"], ["default", "m/", "w"]]
_SCOPES = "files:read events:read"


@pytest.fixture
def busy(upload: UploadService) -> UploadService:
    """Return a tenant with many events in several folders."""
    upload.records.put_limits(upload.tenant, Limits(max_bytes=100))
    for number in range(12):
        for folder in "amz":
            upload.records.write(Write(files=(new_file(f"{folder}/{number}", size=2),)))
    moves = [("a/1", "z/a1"), ("z/1", "a/z1"), ("a/2", "a/22"), ("m/1", "z/m1")]
    for source, target in moves:
        _move(upload, source, target)
    upload.records.delete(upload.tenant, "default", "a/3", None)
    return upload


def _move(upload: UploadService, source: str, target: str) -> None:
    def place(file: File, key: str) -> File:
        return msgspec.structs.replace(file, key=key)

    addresses = FileAddress("default", source), FileAddress("default", target)
    move = Move(tenant=upload.tenant, source=addresses[0], target=addresses[1], on_conflict="error")
    upload.records.move(move, place)


def _asked(upload: UploadService, query: str) -> dict[str, Any]:
    grants = {"v": 1, "own": _OWN, "s": _SCOPES}
    token = upload.issuer.token(tid=upload.tenant, scope=_SCOPES, grants=grants)
    reply = upload.request(
        "GET", f"/v1/events?{query}", headers={"Authorization": f"Bearer {token}"}
    )
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = json.loads(reply.data)
    return found


def _all(upload: UploadService, kind: str, limit: int) -> list[tuple[str, str, str]]:
    """Return all events in pages, and check that both orders give equal events."""
    oldest: list[dict[str, Any]] = []
    after, before = "0", ""
    while True:
        page = _asked(upload, f"after={after}&limit={limit}{kind}")
        oldest += page["events"]
        if page["next_after"] == after:
            break
        after = page["next_after"]
    newest: list[dict[str, Any]] = []
    while True:
        page = _asked(upload, f"order=newest&limit={limit}{kind}{before}")
        newest += page["events"]
        assert len(page["events"]) <= limit
        if page["next_before"] is None:
            break
        before = f"&before={page['next_before']}"
    assert oldest == newest[::-1]
    return [(event["id"], event["kind"], event["file"]["key"]) for event in oldest]


@pytest.mark.parametrize("limit", [1, 5, 100])
@pytest.mark.parametrize("kind", [None, "file.deleted", "file.moved"])
def test_pages(
    busy: UploadService, monkeypatch: pytest.MonkeyPatch, kind: str | None, limit: int
) -> None:
    """Pages have each readable event of the wanted kind once, in both orders."""
    monkeypatch.setattr("wharf_upload.routes.events._LOOKED_AT", 7)
    reach = reach_of([CompactGrant(*grant) for grant in _OWN])
    heard = [told(reach, event) for event in busy.records.events(busy.tenant, 0, 1000)]
    expected = [
        (cursor_of(busy.tenant, event.seq), event.kind, event.file.key)
        for event in heard
        if event is not None and event.file is not None and kind in (None, event.kind)
    ]
    assert len(expected) >= 2
    query = "" if kind is None else f"&kind={kind}"
    assert _all(busy, query, limit) == expected


def test_a_page_has_a_bound_in_bytes(busy: UploadService, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events with much metadata are split into more pages, and each one appears once."""
    expected = _all(busy, "", 100)
    monkeypatch.setattr("wharf_upload.routes.events.PAGE_BYTES", 1)
    assert len(_asked(busy, "limit=100")["events"]) == 1
    assert _all(busy, "", 100) == expected


def test_few_rows_are_looked_at(busy: UploadService, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page reads a bounded number of rows, even if few of them may be read."""
    asked: list[int] = []
    events = SqlEvents.events

    def counted(self: SqlEvents, tenant: str, after: int, limit: int) -> list[Event]:
        asked.append(limit)
        return events(self, tenant, after, limit)

    monkeypatch.setattr(SqlEvents, "events", counted)
    _asked(busy, "limit=1")
    busy.request(
        "GET",
        "/v1/events?limit=3",
        headers={"Authorization": f"Bearer {busy.issuer.token(scope=_SCOPES)}"},
    )
    assert asked == [1000, 3]


# ---- the listing ----


def _listed(upload: UploadService, path: str, own: list[list[str]]) -> tuple[int, dict[str, Any]]:
    claim = {"v": 1, "own": own, "s": _SCOPES}
    token = upload.issuer.token(tid=upload.tenant, scope=_SCOPES, grants=claim)
    reply = upload.request("GET", path, headers={"Authorization": f"Bearer {token}"})
    return reply.status_code, json.loads(reply.data)


def test_listing_by_http(busy: UploadService) -> None:
    """A listing has the keys that may be listed; a bucket without a grant does not exist."""
    status, found = _listed(busy, "/v1/files/default?delimiter=/", _OWN)
    assert (status, found["prefixes"], found["files"]) == (200, ["a/"], [])
    status, found = _listed(busy, "/v1/files/default?prefix=z/", _OWN)
    assert (status, found["files"], found["next_cursor"]) == (200, [], None)
    status, found = _listed(busy, "/v1/files/default", [["default", "", "rwd"]])
    assert (status, found["files"]) == (200, [])
    for own in ([["photos", "", "rwdl"]], []):
        status, found = _listed(busy, "/v1/files/default", own)
        assert status == 404
