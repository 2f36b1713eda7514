"""Tests that a caller whose grants cover a part of a tenant stores nothing outside of it."""

from __future__ import annotations

import pytest
from werkzeug.test import TestResponse

from tests.servers.feed import FakeFeed
from tests.servers.granted import bearer, change, token
from tests.servers.slices import Sliced, document, file_of, refused
from tests.servers.upload import BOUNDARY, UploadService, form_body

INBOX = "write:default/in/"
KEPT_BY_READ = "read,delete,list:default"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
OUTSIDE = (403, "outside-grants")


@pytest.mark.parametrize("spooled", [False, True])
def test_a_file_outside(upload: UploadService, *, spooled: bool) -> None:
    """A `PUT` outside the prefix is refused with the missing grant."""
    who = bearer(upload, INBOX)
    assert upload.put("in/a.txt", b"x", who, spooled=spooled).status_code == 201
    reply = upload.put("out/a.txt", b"x", who, spooled=spooled)
    assert refused(reply) == OUTSIDE
    problem = document(reply)
    assert (problem["action"], problem["bucket"], problem["key"]) == (
        "write",
        "default",
        "out/a.txt",
    )
    assert upload.content("out/a.txt") is None
    assert len(upload.blobs()) == 1


@pytest.mark.parametrize("spooled", [False, True])
def test_a_bucket_of_others(upload: UploadService, *, spooled: bool) -> None:
    """A bucket without a grant gets the response of an absent bucket."""
    upload.request("PUT", "/v1/buckets/theirs", b"{}", {"Content-Type": "application/json"})
    who = bearer(upload, INBOX)
    theirs = upload.put("a", b"x", who, bucket="theirs", spooled=spooled)
    absent = upload.put("a", b"x", bearer(upload, "write:*"), bucket="absent", spooled=spooled)
    answers = [
        {name: text for name, text in document(reply).items() if name != "request_id"}
        for reply in (theirs, absent)
    ]
    assert answers[0].pop("detail").replace("theirs", "absent") == answers[1].pop("detail")
    assert answers[0] == answers[1]
    assert refused(theirs) == (404, "not-found")


def test_a_form(upload: UploadService) -> None:
    """A form is stored only if all of its files are within the grants."""
    who = bearer(upload, INBOX, "write:default/b.txt")
    inside = form_body([("a.txt", b"1"), ("b.txt", b"2")], {"prefix": "in"})
    assert upload.post_form(inside, who).status_code == 201
    assert refused(upload.post_form(form_body([("b.txt", b"1"), ("a.txt", b"2")]), who)) == OUTSIDE
    assert len(upload.blobs()) == 2
    assert list(upload.store.leftovers()) == []


def test_a_form_of_who_may_not_write(upload: UploadService) -> None:
    """A form to a bucket without a grant to write is refused before its body."""
    step = {"WHARF_STEP": "admit", "CONTENT_LENGTH": "100"}
    for granted, expected in ((KEPT_BY_READ, OUTSIDE), ("write:photos", (404, "not-found"))):
        headers = {**FORM, **bearer(upload, granted)}
        reply = upload.request("POST", "/v1/files/default", b"", headers, step)
        assert refused(reply) == expected


@pytest.mark.parametrize("action", ["read", "list", "delete"])
def test_other_actions_do_not_let_write(upload: UploadService, action: str) -> None:
    """Only the action `write` allows uploads."""
    reply = upload.put("a", b"x", bearer(upload, f"{action}:default"))
    assert refused(reply) == OUTSIDE


def test_rename_stays_inside(upload: UploadService) -> None:
    """A taken key is renamed within the grants, and refused if the number leads out of them."""
    upload.put("in/a.txt", b"there")
    again = form_body([("a.txt", b"x")], {"prefix": "in"})
    renamed = upload.post_form(again, bearer(upload, INBOX))
    assert file_of(renamed)["key"] == "in/a (2).txt"
    taken = upload.post_form(again, bearer(upload, "write:default/in/a.txt"))
    assert refused(taken) == (409, "key-taken")


def admitted(upload: UploadService, method: str, path: str, who: dict[str, str]) -> str:
    """Return the admission of a small body."""
    step = {"WHARF_STEP": "admit", "CONTENT_LENGTH": "5"}
    reply = upload.request(method, path, b"", {**FORM, **who} if method == "POST" else who, step)
    assert reply.status_code == 204
    return reply.headers["X-Admission"]


def received(
    upload: UploadService, method: str, path: str, admission: str, body: bytes
) -> TestResponse:
    """Return the response to the spooled body of an admitted request."""
    spooled = upload.settings.spool_folder / "1"
    spooled.write_bytes(body)
    environ = {"SPOOL_FILE": str(spooled), "ADMISSION": admission}
    return upload.request(method, path, b"", FORM if method == "POST" else {}, environ)


@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.parametrize("listed", [True, False])
def test_grants_that_change_while_the_body_comes(
    upload: UploadService, method: str, *, listed: bool
) -> None:
    """The reach of the sender at the end of a body decides, with or without a grants claim."""
    path = "/v1/files/default/in/a.txt" if method == "PUT" else "/v1/files/default"
    body = b"hello" if method == "PUT" else form_body([("a.txt", b"hello")], {"prefix": "in"})
    who = bearer(upload, INBOX) if listed else bearer(upload, grants=None)
    admission = admitted(upload, method, path, who)
    feed = FakeFeed()
    change(upload, feed, "write:default/out/")
    assert refused(received(upload, method, path, admission, body)) == OUTSIDE
    change(upload, feed, "write:default/in/", scopes="files:read")
    reply = received(upload, method, path, admission, body)
    assert refused(reply) == (403, "insufficient-scope")
    assert upload.blobs() == set()
    change(upload, feed, "write:default/in/")
    assert received(upload, method, path, admission, body).status_code == 201


def ticket(upload: UploadService, *granted: str, **rules: object) -> str:
    """Return a ticket whose maker has these grants."""
    named = {"bucket": "default", **rules}
    return token(upload, *granted, scopes="files:write", ticket=named)


def test_a_ticket_is_within_its_makers_grants(upload: UploadService) -> None:
    """A ticket stores what both its rules and its maker's grants allow."""
    wide = ticket(upload, "write:default/in/x/", prefix="in/")
    for path in (f"/u/{wide}/x/a", f"/u/{wide}/a"):
        reply = upload.request("PUT", path, b"x", {"Authorization": ""})
        assert (reply.status_code == 201) == path.endswith("/x/a")
    narrow = {"Authorization": f"Bearer {ticket(upload, INBOX, prefix='in/y/')}"}
    assert upload.put("in/y/a", b"x", narrow).status_code == 201
    assert refused(upload.put("in/a", b"x", narrow)) == (403, "ticket-refused")
    form = form_body([("a", b"2")], {"prefix": "x"})
    again = upload.post_form(form, {"Authorization": f"Bearer {wide}"})
    assert file_of(again)["key"] == "in/x/a (2)"
    outside = upload.post_form(form_body([("a", b"2")]), {"Authorization": f"Bearer {wide}"})
    assert refused(outside) == OUTSIDE


def test_a_ticket_for_what_its_maker_does_not_reach(upload: UploadService) -> None:
    """A ticket outside its maker's grants is refused before the body, and shows no document."""
    for rules in ({"key": "out/a"}, {"prefix": "out/"}):
        who = {"Authorization": f"Bearer {ticket(upload, INBOX, **rules)}"}
        assert refused(upload.put("out/a", b"x", who)) == OUTSIDE
        step = {"WHARF_STEP": "admit", "CONTENT_LENGTH": "100"}
        form = upload.request("POST", "/v1/files/default", b"", {**FORM, **who}, step)
        assert refused(form) == OUTSIDE
        assert refused(upload.request("GET", "/v1/ticket", headers=who)) == OUTSIDE
    good = {"Authorization": f"Bearer {ticket(upload, INBOX, prefix='')}"}
    assert upload.request("GET", "/v1/ticket", headers=good).status_code == 200


def test_slices_outside(upload: UploadService) -> None:
    """Each slice is judged by its file's key, with the reach of that moment."""
    outside = Sliced(upload, headers=bearer(upload, INBOX))
    assert refused(outside.send(0)) == OUTSIDE
    assert list(upload.settings.resumable_folder.iterdir()) == []
    inside = Sliced(upload, headers=bearer(upload, INBOX), fields={"prefix": "in"})
    assert [inside.send(index).status_code for index in (0, 1)] == [202, 202]
    feed = FakeFeed()
    change(upload, feed, "write:default/out/")
    assert refused(inside.send(2)) == OUTSIDE
    assert upload.blobs() == set()
    change(upload, feed, "write:default/in/")
    assert file_of(inside.send(2))["key"] == "in/photo.bin"


def test_a_repeated_request(upload: UploadService) -> None:
    """A repeated request is not replayed if its file's key is outside the grants now."""
    upload.put("in/a.txt", b"there")
    body, once = form_body([("a.txt", b"x")], {"prefix": "in"}), {"Idempotency-Key": "once"}
    wide = {**bearer(upload, INBOX), **once}
    assert file_of(upload.post_form(body, wide))["key"] == "in/a (2).txt"
    assert upload.post_form(body, wide).headers["Idempotent-Replayed"] == "true"
    narrow = {**bearer(upload, "write:default/in/a.txt"), **once}
    assert refused(upload.post_form(body, narrow)) == OUTSIDE


def test_a_slice_that_comes_again(upload: UploadService) -> None:
    """A repeated slice of a finished file is not replayed if its key is outside the grants now."""
    upload.put("in/photo.bin", b"there")
    sliced = Sliced(upload, headers=bearer(upload, INBOX), fields={"prefix": "in"})
    assert file_of(sliced.send_all())["key"] == "in/photo (2).bin"
    assert sliced.send(0).headers["Idempotent-Replayed"] == "true"
    sliced.headers = bearer(upload, "write:default/in/photo.bin")
    assert refused(sliced.send(0)) == OUTSIDE
