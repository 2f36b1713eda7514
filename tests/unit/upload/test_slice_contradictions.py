"""Tests of forms whose fields about a slice contradict each other: no slice becomes a file."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

import pytest
from werkzeug.test import TestResponse

from tests.servers.slices import Sliced, file_of, in_folder, refused
from tests.servers.upload import UploadService, form_body
from tests.servers.upload_invariants import assert_sound, live

INDEX, COUNT = "dzchunkindex", "dztotalchunkcount"


def around(
    upload: UploadService,
    before: Mapping[str, str],
    after: Mapping[str, str],
    query: Mapping[str, str] | str = "",
) -> TestResponse:
    """Return the response to a form with fields before and after its file."""
    file = form_body([("photo.bin", b"a slice")], before)
    body = file[: file.rindex(b"\r\n--") + 2] + form_body([], after)
    sent = query if isinstance(query, str) else urlencode(query)
    return upload.post_form(body, bucket=f"default?{sent}" if sent else "default")


def assert_nothing(upload: UploadService) -> None:
    """Check that there is no file, no blob and no slice."""
    assert live(upload) == {}
    assert in_folder(upload) == []
    assert_sound(upload)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({INDEX: "0", COUNT: "2"}, {COUNT: "1"}),
        ({INDEX: "0", COUNT: "1"}, {COUNT: "2"}),
        ({INDEX: "1", COUNT: "2"}, {INDEX: "0", COUNT: "1"}),
        ({INDEX: "0", COUNT: "2", "dzuuid": "a"}, {"dzuuid": "b"}),
        ({"resumableChunkNumber": "1", "resumableTotalChunks": "2"}, {"resumableTotalChunks": "1"}),
        ({"chunkIndex": "0", "totalChunks": "2"}, {"totalChunks": "1"}),
    ],
)
def test_before_and_behind(
    upload: UploadService, before: dict[str, str], after: dict[str, str]
) -> None:
    """A field after the file that differs from the same field before it is a conflict."""
    assert refused(around(upload, before, after)) == (409, "inconsistent-slice")
    assert_nothing(upload)


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ({INDEX: "0", COUNT: "2"}, {INDEX: "0", COUNT: "1"}),
        ({INDEX: "0", COUNT: "1"}, {INDEX: "0", COUNT: "2"}),
        ({"qqpartindex": "0", "qqtotalparts": "2"}, {"qqtotalparts": "1"}),
        (f"{INDEX}=0&{COUNT}=2&{COUNT}=1", {}),
    ],
)
def test_query_and_fields(
    upload: UploadService, query: dict[str, str] | str, fields: dict[str, str]
) -> None:
    """A query that differs from the fields, or contradicts itself, is a conflict."""
    assert refused(around(upload, fields, {}, query)) == (409, "inconsistent-slice")
    assert_nothing(upload)


def test_words_that_mean_a_slice_before(upload: UploadService) -> None:
    """Before the file, ordinary field names can describe a slice; after the file they cannot."""
    before = {"name": "photo.bin", "chunk": "0", "chunks": "2"}
    assert refused(around(upload, before, {"chunks": "1"})) == (415, "slices-not-joined")
    assert_nothing(upload)


def test_words_that_mean_none(upload: UploadService) -> None:
    """Ordinary field names that come with every file, with different values, describe no slice."""
    reply = around(upload, {"metadata": '{"title": "a"}'}, {"metadata": '{"title": "b"}'})
    assert file_of(reply)["filename"] == "photo.bin"


def test_said_twice_alike(upload: UploadService) -> None:
    """Equal fields in the address, before the file and after it are no contradiction."""
    whole = Sliced(upload, content=b"a slice").said(0)
    assert file_of(around(upload, whole, whole, whole))["size"] == 7


def test_two_files_one_by_itself(upload: UploadService) -> None:
    """A form whose first file is a slice and whose second file is not stores neither."""
    form = form_body([("a.bin", b"first")], {INDEX: "0", COUNT: "9"})
    second = form_body([("b.bin", b"second")], {COUNT: "1"})
    reply = upload.post_form(form[: form.rindex(b"\r\n--") + 2] + second)
    assert refused(reply) == (409, "inconsistent-slice")
    assert_nothing(upload)
