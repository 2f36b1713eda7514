"""Forms: many files in any field, choices, digests, and all or nothing (rows 16 to 18).

Row numbers are those of the tables in docs/security.md.
"""

from __future__ import annotations

import base64
import hashlib
import os
from urllib.parse import quote

import pytest

from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.multipart_body import (
    BOUNDARY,
    CONTENT_TYPE,
    Part,
    field_part,
    file_part,
    multipart_body,
)
from tests.servers.wharf.raw_http import exchange, head
from tests.servers.wharf.traces import nothing_stored

# The size of a block that the form reader reads (uploads/multipart/spool_window.py).
WINDOW_BYTES = 1 << 20


def digest_of(content: bytes) -> str:
    """Return the value of a Content-Digest field."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


def test_many_files_in_any_field(api: ApiClient) -> None:
    """All files of a form are stored, in their order.

    Their fields may have any names, and fields without files may precede and follow them.
    """
    contents = {"a.txt": b"a" * 10, "b.bin": os.urandom(300_000), "c.txt": b""}
    parts = [file_part(name, content, f"field-{name}[]") for name, content in contents.items()]
    answer = api.post(field_part("title", "x"), *parts, field_part("after", "y"))
    assert answer.status == 201
    files = answer.json()["files"]
    assert [file["key"] for file in files] == list(contents)
    for name, content in contents.items():
        assert api.file(name).body == content


def test_one_file_has_a_location(api: ApiClient) -> None:
    """The response to a form with one file has a Location; with several files it has none."""
    one = api.post(file_part("one"))
    assert api.get(one.header("Location")).body == b"content"
    assert api.post(file_part("two"), file_part("three")).headers["Location"] is None


NO_FILES = [
    pytest.param(
        [Part(b'Content-Disposition: form-data; name="f"; filename=""\r\n'
              b"Content-Type: application/octet-stream", b"")],
        id="no file chosen",
    ),
    pytest.param([Part(b'Content-Disposition: form-data; name="f"; filename=""', b"x")],
                 id="content without a name"),
    pytest.param([field_part("file", "not a file")], id="a field without a file"),
    pytest.param([field_part("prefix", "a/")], id="choices alone"),
    pytest.param([], id="nothing"),
]  # fmt: skip


@pytest.mark.parametrize("parts", NO_FILES)
def test_a_form_without_a_file(wharf: Wharf, api: ApiClient, parts: list[Part]) -> None:
    """A form without a chosen, named or sent file gets a 422 that says that no file was sent."""
    with nothing_stored(wharf, api.tenant):
        document = api.post(*parts).problem(422, "no-file")
    assert "file" in document["detail"]


def test_an_empty_input_beside_a_file(api: ApiClient) -> None:
    """A file input without a file does not affect the other files of its form."""
    empty = Part(b'Content-Disposition: form-data; name="more"; filename=""', b"")
    answer = api.post(empty, file_part("there"), empty)
    assert [file["key"] for file in answer.json()["files"]] == ["there"]


@pytest.mark.parametrize("prefix", ["in/folder", "in/folder/"])
def test_prefix(api: ApiClient, prefix: str) -> None:
    """The field `prefix` is put before the keys of all files, at any position in the form."""
    answer = api.post(file_part("a"), field_part("prefix", prefix), file_part("b"))
    assert [file["key"] for file in answer.json()["files"]] == ["in/folder/a", "in/folder/b"]
    assert [file["filename"] for file in answer.json()["files"]] == ["a", "b"]


@pytest.mark.parametrize("prefix", ["../x", "/x", "a//b", "a\u202eb", "x" * 256, "x/" * 600])
def test_a_bad_prefix_is_refused(wharf: Wharf, api: ApiClient, prefix: str) -> None:
    """A form with a prefix that no key may have gets a 400 and stores nothing."""
    with nothing_stored(wharf, api.tenant):
        api.post(file_part("a"), field_part("prefix", prefix)).problem(400, "invalid-key")


def test_conflicts_rename_by_default(api: ApiClient) -> None:
    """A form without a choice renames files whose names are taken, and overwrites none."""
    api.stored("photo.jpg", b"first")
    answer = api.post(file_part("photo.jpg", b"second"), file_part("photo.jpg", b"third"))
    keys = [file["key"] for file in answer.json()["files"]]
    assert keys == ["photo (2).jpg", "photo (3).jpg"]
    assert [api.file(name.replace(" ", "%20")).body for name in ("photo.jpg", *keys)] == [
        b"first",
        b"second",
        b"third",
    ]


def test_conflicts_replace(api: ApiClient) -> None:
    """`on_conflict=replace` replaces the existing file."""
    api.stored("photo.jpg", b"first")
    answer = api.post(field_part("on_conflict", "replace"), file_part("photo.jpg", b"second"))
    assert (answer.status, api.listed()) == (201, ["photo.jpg"])
    assert api.file("photo.jpg").body == b"second"


def test_conflicts_error(wharf: Wharf, api: ApiClient) -> None:
    """`on_conflict=error` stores no file of the form when one name is taken, and names the key."""
    api.stored("photo.jpg", b"first")
    with nothing_stored(wharf, api.tenant):
        parts = (field_part("on_conflict", "error"), file_part("new"), file_part("photo.jpg"))
        assert api.post(*parts).problem(409, "key-taken")["key"] == "photo.jpg"


@pytest.mark.parametrize(
    ("name", "value"),
    [("on_conflict", "overwrite"), ("on_conflict", ""), ("redirect", "/x"), ("paths", "yes")],
)
def test_choices_that_are_none(wharf: Wharf, api: ApiClient, name: str, value: str) -> None:
    """A choice with an unknown value gets a 422 that names the field, and is never ignored."""
    with nothing_stored(wharf, api.tenant):
        answer = api.post(file_part("a"), field_part(name, value))
        assert answer.problem(422, "unprocessable")["field"] == name


BAD_FORMS = [
    pytest.param(multipart_body(file_part("a"), file_part("b"))[:-4], id="no closing boundary"),
    pytest.param(multipart_body(file_part("a")) [:60], id="cut in the headers"),
    pytest.param(b"", id="empty"),
    pytest.param(b"key=value", id="no multipart"),
    pytest.param(multipart_body(file_part("a"), Part(b"X: y", b"")), id="part without disposition"),
    pytest.param(
        multipart_body(file_part("a"), file_part("b", b"eA==", "f",
                                                 "Content-Transfer-Encoding: base64")),
        id="transfer encoding",
    ),
]  # fmt: skip


@pytest.mark.parametrize("body", BAD_FORMS)
def test_all_or_nothing(wharf: Wharf, api: ApiClient, body: bytes) -> None:
    """A form with a fault anywhere, even after its first file, gets a 400 and stores nothing."""
    with nothing_stored(wharf, api.tenant):
        api.post_body(body).problem(400, "malformed-form")
        api.post_body(iter([body])).problem(400, "malformed-form")


def test_a_digest_of_a_part(wharf: Wharf, api: ApiClient) -> None:
    """Wharf verifies the Content-Digest of a part, and refuses the whole form if it is wrong."""
    good = file_part("good", b"right", "f", f"Content-Digest: {digest_of(b'right')}")
    wrong = file_part("wrong", b"right", "f", f"Content-Digest: {digest_of(b'left')}")
    with nothing_stored(wharf, api.tenant):
        document = api.post(file_part("first"), good, wrong).problem(400, "digest-mismatch")
        assert document["algorithm"] == "sha-256"
        bad = file_part("bad", b"right", "f", "Content-Digest: sha-256=oops")
        api.post(bad).problem(400, "invalid-digest")
    assert api.post(good).status == 201


def test_a_digest_of_the_message(wharf: Wharf, api: ApiClient) -> None:
    """The Content-Digest of the request covers the whole form, boundaries included."""
    body = multipart_body(file_part("a"))
    with nothing_stored(wharf, api.tenant):
        field = {"Content-Digest": digest_of(b"content")}
        api.post_body(body, field).problem(400, "digest-mismatch")
        api.post_body(body, {"Content-Digest": "x"}).problem(400, "invalid-digest")
    assert api.post_body(body, {"Content-Digest": digest_of(body)}).status == 201


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "multipart/mixed; boundary=x",
        "text/plain",
        "application/x-www-form-urlencoded",
    ],
)
def test_what_is_no_form(wharf: Wharf, api: ApiClient, content_type: str) -> None:
    """A POST of another type than multipart/form-data gets a 415 that names the expected type."""
    with nothing_stored(wharf, api.tenant):
        answer = api.post_body(multipart_body(file_part("a")), {"Content-Type": content_type})
        assert answer.problem(415, "unsupported-media-type")["expected"] == "multipart/form-data"


FORM_SENT_BY_PUT = [
    pytest.param({}, id="whole"),
    pytest.param({"Upload-Complete": "?1"}, id="the whole of a resumable upload"),
    pytest.param({"Upload-Complete": "?0"}, id="a part of one"),
]


@pytest.mark.parametrize("fields", FORM_SENT_BY_PUT)
@pytest.mark.parametrize("size", [10, 300_000])
@pytest.mark.parametrize("spelling", [CONTENT_TYPE, "Multipart/Form-Data;boundary=x"])
def test_a_form_sent_by_put(
    wharf: Wharf, api: ApiClient, spelling: str, size: int, fields: dict[str, str]
) -> None:
    """A PUT of a form gets a 415 that names POST. Otherwise the file would contain the envelope."""
    body = multipart_body(file_part("cat.txt", bytes(size)))
    with nothing_stored(wharf, api.tenant):
        answer = api.put("cat.txt", body, {"Content-Type": spelling, **fields})
        assert "POST" in answer.problem(415, "unsupported-media-type")["detail"]


@pytest.mark.parametrize("content_type", ["multipart/mixed; boundary=x", "message/rfc822", ""])
def test_other_envelopes_are_files(api: ApiClient, content_type: str) -> None:
    """A PUT of any other type stores the body unchanged."""
    assert api.put("mail", b"--x\r\n", {"Content-Type": content_type}).status == 201


def test_a_form_sent_by_put_and_expect(wharf: Wharf, api: ApiClient) -> None:
    """A PUT of a form that waits for `100 Continue` gets a 415 instead."""
    fields = (
        f"Authorization: Bearer {api.token}",
        f"Content-Type: {CONTENT_TYPE}",
        *("Content-Length: 1000000", "Expect: 100-continue", "Connection: close"),
    )
    (answer,) = exchange(wharf.port, head("PUT /v1/files/default/a HTTP/1.1", *fields))
    assert (answer.status, answer.slug) == (415, "unsupported-media-type")


def test_paths_are_dropped_unless_they_are_kept(api: ApiClient) -> None:
    """Folders in a file's name are kept only with the field `paths=keep`, at any position."""
    named = file_part("photos/2026/a.jpg")
    for fields in ((), (field_part("paths", "drop"),)):
        answer = api.post(*fields, field_part("on_conflict", "replace"), named)
        assert [file["key"] for file in answer.json()["files"]] == ["a.jpg"]
    for parts in (
        (field_part("paths", "keep"), field_part("prefix", "in"), named),
        (named, field_part("prefix", "in/"), field_part("paths", "keep")),
    ):
        file = api.post(*parts).json()["files"][0]
        assert file["filename"] == file["key"].rpartition("/")[2]
    assert api.listed() == ["a.jpg", "in/photos/2026/a (2).jpg", "in/photos/2026/a.jpg"]


def test_a_folder(api: ApiClient) -> None:
    """A folder as browsers send it keeps its tree; a second upload gives the files new names."""
    contents = {"trip/a.txt": b"a", "trip/day 1/b.txt": b"b", "trip/день/c.txt": b"c"}
    parts = [file_part(name, content) for name, content in contents.items()]
    keep = field_part("paths", "keep")
    assert api.post(keep, *parts).status == 201
    assert api.listed() == sorted(contents)
    for name, content in contents.items():
        assert api.file(quote(name)).body == content
    again = api.post(keep, *parts).json()["files"]
    assert [file["key"] for file in again] == [
        "trip/a (2).txt",
        "trip/day 1/b (2).txt",
        "trip/день/c (2).txt",
    ]
    refused = api.post(keep, field_part("on_conflict", "error"), *parts)
    assert refused.problem(409, "key-taken")["key"] == "trip/a.txt"
    assert api.post(keep, field_part("on_conflict", "replace"), *parts).status == 201


@pytest.mark.parametrize("field", ["relativePath", "fullPath", "webkitRelativePath"])
def test_a_path_in_a_field_of_its_own(api: ApiClient, field: str) -> None:
    """A path in a field before its file is ignored, unless it ends with the file's name."""
    answer = api.post(
        field_part("paths", "keep"),
        *(field_part(field, "/trip/a.txt"), file_part("a.txt")),
        *(field_part(field, "null"), file_part("b.txt")),
        *(field_part(field, "trip/other.txt"), file_part("c.txt")),
        file_part("a.txt"),
    )
    assert [file["key"] for file in answer.json()["files"]] == [
        "trip/a.txt",
        "b.txt",
        "c.txt",
        "a.txt",
    ]


@pytest.mark.parametrize(
    "path",
    [
        "../a",
        "a/../../b",
        "a\\..\\..\\b",
        "C:\\Users\\me\\a",
        "//server/share/a",
        "a//b",
        "a/\u202eb/c",
        "x" * 256 + "/a",
        "a/" * 600 + "a",
    ],
)
def test_paths_that_lead_out(wharf: Wharf, api: ApiClient, path: str) -> None:
    """A form with a path that leaves its folder or is invalid gets a 400 and stores nothing."""
    with nothing_stored(wharf, api.tenant):
        parts = (file_part("good"), file_part(path))
        api.post(field_part("paths", "keep"), *parts).problem(400, "invalid-key")


@pytest.mark.parametrize("boundary", ["", "; boundary=", "; boundary=" + "x" * 71, '; boundary="x'])
def test_a_boundary_that_is_none(wharf: Wharf, api: ApiClient, boundary: str) -> None:
    """A form without a boundary that RFC 2046 allows gets a 400 and stores nothing."""
    with nothing_stored(wharf, api.tenant):
        fields = {"Content-Type": f"multipart/form-data{boundary}"}
        api.post_body(multipart_body(file_part("a")), fields).problem(400, "malformed-form")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(multipart_body(*[field_part("f", "x")] * 10_000), id="10,000 fields"),
        pytest.param(multipart_body(*[file_part("f")] * 10_000), id="10,000 files"),
        pytest.param(multipart_body(*[file_part("f", b"")] * 101), id="101 files"),
        pytest.param(multipart_body(field_part("f", "x" * 1_000_000)), id="1 MB field"),
        pytest.param(multipart_body(*[field_part("f", "x" * 1000)] * 70),
                     id="70 KB in small fields"),
    ],
)  # fmt: skip
def test_more_than_a_form_may_hold(wharf: Wharf, api: ApiClient, body: bytes) -> None:
    """Row 16: a form with 10,000 parts, 101 files or a megabyte in plain fields gets a 413."""
    with nothing_stored(wharf, api.tenant):
        document = api.post_body(body).problem(413, "too-large")
    assert document["limit"]


@pytest.mark.parametrize("filler", [b"\r", b"\n", b"\r\n", b"\r\n--", b"--", BOUNDARY.encode()])
def test_fillers_that_look_like_boundaries(api: ApiClient, filler: bytes) -> None:
    """Row 17: ten megabytes of partial boundaries are stored exactly as they were sent."""
    content = filler * (10_000_000 // len(filler))
    answer = api.post(file_part("filler", content))
    assert answer.json()["files"][0]["sha256"] == hashlib.sha256(content).hexdigest()


def test_a_boundary_at_every_offset_of_the_read_block(api: ApiClient) -> None:
    """Row 18: a boundary at any offset near the end of a read block loses no byte."""
    first = multipart_body(file_part("a", b""))
    lead = first.index(b"\r\n\r\n") + 4
    delimiter = len(BOUNDARY) + 8
    for shift in range(-delimiter, 4):
        contents = [b"\r" * (WINDOW_BYTES - lead + shift), b"between", b"\n" * 50]
        answer = api.post(*(file_part("a", content) for content in contents))
        found = [(file["size"], file["sha256"]) for file in answer.json()["files"]]
        assert found == [(len(one), hashlib.sha256(one).hexdigest()) for one in contents]
