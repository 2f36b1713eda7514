"""Tests of forms with files and fields, which are stored completely or not at all."""

from __future__ import annotations

import hashlib
import os

import pytest
from werkzeug.test import TestResponse

from tests.servers.upload import BOUNDARY, UploadService, form_body
from tests.servers.upload_invariants import assert_nothing_else, assert_sound


def keys(reply: TestResponse) -> list[str]:
    assert reply.status_code == 201, reply.text
    assert reply.json
    return [file["key"] for file in reply.json["files"]]


def refused(reply: TestResponse) -> tuple[int, str]:
    assert reply.json
    return reply.status_code, reply.json["type"].removeprefix("/problems/")


def nothing_is_left(upload: UploadService) -> bool:
    spool = os.listdir(upload.settings.spool_folder)
    return not (upload.blobs() or list(upload.store.leftovers()) or spool)


def test_many_files(upload: UploadService) -> None:
    """Small, empty and large files of one form are each stored with their bytes and digest."""
    files = {
        "empty.bin": b"",
        "small.bin": b"\r\n--not-the-boundary\r\n",
        "large.bin": os.urandom(9 << 20),
        "文件 🎉.txt": b"text",
    }
    reply = upload.post_form(form_body(files.items()))
    assert keys(reply) == list(files)
    assert reply.json
    for file in reply.json["files"]:
        assert file["sha256"] == hashlib.sha256(files[file["key"]]).hexdigest()
        assert upload.content(file["key"]) == files[file["key"]]
    assert_sound(upload)
    assert_nothing_else(upload)


def test_prefix_before_or_after(upload: UploadService) -> None:
    """A prefix applies to all files, ends with one slash, and must be valid."""
    assert keys(upload.post_form(form_body([("a", b"1")], {"prefix": "x/y"}))) == ["x/y/a"]
    assert keys(upload.post_form(form_body([("b", b"1")], {"prefix": "x/y/"}))) == ["x/y/b"]
    reply = upload.post_form(form_body([("c", b"1")], {"prefix": "../x"}))
    assert refused(reply) == (400, "invalid-key")
    assert len(upload.blobs()) == 2


@pytest.mark.parametrize(
    ("on_conflict", "expected"),
    [
        (None, ["a (2).txt"]),
        ("rename", ["a (2).txt"]),
        ("replace", ["a.txt"]),
    ],
)
def test_on_conflict(upload: UploadService, on_conflict: str | None, expected: list[str]) -> None:
    """A form replaces a file only with `on_conflict=replace`; otherwise it renames its own file."""
    upload.post_form(form_body([("a.txt", b"old")]))
    fields = {} if on_conflict is None else {"on_conflict": on_conflict}
    assert keys(upload.post_form(form_body([("a.txt", b"new")], fields))) == expected
    assert upload.content("a.txt") == (b"new" if on_conflict == "replace" else b"old")


def test_if_match_replaces(upload: UploadService) -> None:
    """With If-Match a form replaces files, and a choice to rename is refused."""
    upload.post_form(form_body([("a.txt", b"old"), ("b.txt", b"old")]))
    body = form_body([("a.txt", b"new"), ("b.txt", b"new")])
    assert keys(upload.post_form(body, {"If-Match": "*"})) == ["a.txt", "b.txt"]
    assert upload.content("a.txt") == b"new"
    renaming = form_body([("a.txt", b"newer")], {"on_conflict": "rename"})
    assert refused(upload.post_form(renaming, {"If-Match": "*"})) == (422, "unprocessable")
    assert upload.content("a.txt") == b"new"
    assert_sound(upload)


def test_paths_of_a_folder(upload: UploadService) -> None:
    """Relative paths become keys only with `paths=keep`; a path out of the folder is refused."""
    files = [("trip/a", b"1"), ("trip\\b", b"2")]
    assert keys(upload.post_form(form_body(files))) == ["a", "b"]
    kept = upload.post_form(form_body(files, {"paths": "keep", "prefix": "in"}))
    assert keys(kept) == ["in/trip/a", "in/trip/b"]
    for path in ("../a", "trip/../../a", "C:/a", "//a/b"):
        reply = upload.post_form(form_body([("good", b"1"), (path, b"2")], {"paths": "keep"}))
        assert refused(reply) == (400, "invalid-key")
    assert len(upload.blobs()) == 4


def test_error_on_conflict(upload: UploadService) -> None:
    """With `on_conflict=error` one taken key refuses the whole form."""
    upload.post_form(form_body([("a.txt", b"old")]))
    body = form_body([("b.txt", b"new"), ("a.txt", b"new")], {"on_conflict": "error"})
    assert refused(upload.post_form(body)) == (409, "key-taken")
    assert upload.content("a.txt") == b"old"
    assert upload.content("b.txt") is None
    assert len(upload.blobs()) == 1


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (form_body([]), (422, "no-file")),
        (form_body([], {"note": "x"}), (422, "no-file")),
        (form_body([("", b"")]), (422, "no-file")),
        (form_body([("", b"content")]), (422, "no-file")),
        (form_body([("a.txt", b"1"), ("", b"content")]), (422, "no-file")),
        (form_body([("a.txt", b"1"), ("..", b"2")]), (400, "invalid-key")),
        (form_body([("a.txt", b"1")], {"on_conflict": "x"}), (422, "unprocessable")),
        (form_body([("a.txt", b"1")], {"redirect": "https://x"}), (422, "unprocessable")),
        (form_body([("a.txt", b"1")])[:-10], (400, "malformed-form")),
        (b"", (400, "malformed-form")),
    ],
)
def test_refused_forms(upload: UploadService, body: bytes, expected: tuple[int, str]) -> None:
    """A form without a file, with a bad name or field, or without its end stores nothing."""
    assert refused(upload.post_form(body)) == expected
    assert nothing_is_left(upload)


def test_a_file_too_many(upload: UploadService) -> None:
    """A form with too many files is refused as a whole."""
    upload = upload.restarted(max_form_files=2)
    body = form_body([("a", b"1"), ("b", b"2"), ("c", b"3")])
    assert refused(upload.post_form(body)) == (413, "too-large")
    assert nothing_is_left(upload)


def test_a_file_too_large(upload: UploadService) -> None:
    """The largest size applies to each file, and one file that is too large refuses the form."""
    upload = upload.restarted(max_file_bytes=100)
    fits = form_body([("a", b"1" * 100), ("b", b"2" * 100)])
    assert keys(upload.post_form(fits)) == ["a", "b"]
    body = form_body([("c", b"1"), ("d", b"2" * 101)])
    assert refused(upload.post_form(body)) == (413, "too-large")
    assert len(upload.blobs()) == 2


def test_digest_of_a_part(upload: UploadService) -> None:
    """A wrong digest in the header of one part refuses the whole form."""
    part = (
        f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=f; filename=b.txt\r\n"
        f"Content-Digest: sha-256=:{'A' * 43}=:\r\n\r\nhello\r\n"
    )
    body = part.encode() + form_body([("a.txt", b"1")])
    assert refused(upload.post_form(body)) == (400, "digest-mismatch")
    assert nothing_is_left(upload)


@pytest.mark.parametrize("field", ["Content-Digest", "Repr-Digest"])
def test_digest_of_the_message(upload: UploadService, field: str) -> None:
    """A wrong digest of the whole message refuses the form."""
    headers = {field: f"sha-256=:{'A' * 43}=:"}
    reply = upload.post_form(form_body([("a.txt", b"1")]), headers)
    assert refused(reply) == (400, "digest-mismatch")
    assert nothing_is_left(upload)


def test_conditions(upload: UploadService) -> None:
    """A precondition applies to each file of a form: if one file fails it, no file is stored."""
    upload.put("b.txt", b"there")
    body = form_body([("a.txt", b"1"), ("b.txt", b"2")], {"on_conflict": "replace"})
    for condition in ({"If-None-Match": "*"}, {"If-Match": '"other"'}):
        assert refused(upload.post_form(body, condition)) == (412, "precondition-failed")
    assert upload.content("b.txt") == b"there"
    assert upload.content("a.txt") is None
    one = form_body([("b.txt", b"2")], {"on_conflict": "replace"})
    assert upload.post_form(one, {"If-Match": "*"}).status_code == 201
    assert upload.content("b.txt") == b"2"


def test_idempotency(upload: UploadService) -> None:
    """A repeated form stores nothing more and gets the same response."""
    once = {"Idempotency-Key": "once"}
    body = form_body([("a.txt", b"1"), ("b.txt", b"2")])
    first = upload.post_form(body, once)
    again = upload.post_form(body, once)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json == first.json
    assert len(upload.blobs()) == 2
    assert_sound(upload)
