"""Tests of the fields by which uploaders describe a slice in a form."""

from __future__ import annotations

import json

import pytest

from servicekit.problems import ProblemError
from wharf_upload.uploads.slices import fields
from wharf_upload.uploads.slices.fields import Slice

DROPZONE = {
    "dzuuid": "5f1c3e0a-5f6a-4d3a-8b0e-1c9a0f3f2b1d",
    "dzchunkindex": "1",
    "dztotalfilesize": "25",
    "dzchunksize": "10",
    "dztotalchunkcount": "3",
    "dzchunkbyteoffset": "10",
}
#: The fields that each uploader sends with the second of three slices. Two of the slices have ten
#: bytes.
OTHERS = {
    "Plupload": {"name": "a.bin", "chunk": "1", "chunks": "3"},
    "Plupload by offset": {"name": "a.bin", "offset": "10", "total": "25"},
    "Resumable.js": {
        "resumableChunkNumber": "2",
        "resumableChunkSize": "10",
        "resumableCurrentChunkSize": "10",
        "resumableTotalSize": "25",
        "resumableType": "",
        "resumableIdentifier": "25-abin",
        "resumableFilename": "a.bin",
        "resumableRelativePath": "a.bin",
        "resumableTotalChunks": "3",
    },
    "flow.js": {
        "flowChunkNumber": "2",
        "flowChunkSize": "10",
        "flowCurrentChunkSize": "10",
        "flowTotalSize": "25",
        "flowIdentifier": "25-abin",
        "flowFilename": "a.bin",
        "flowRelativePath": "a.bin",
        "flowTotalChunks": "3",
    },
    "simple-uploader": {
        "chunkNumber": "2",
        "chunkSize": "10",
        "currentChunkSize": "10",
        "totalSize": "25",
        "identifier": "25-abin",
        "filename": "a.bin",
        "relativePath": "a.bin",
        "totalChunks": "3",
    },
    "Fine Uploader": {
        "qquuid": "5f1c3e0a-5f6a-4d3a-8b0e-1c9a0f3f2b1d",
        "qqfilename": "a.bin",
        "qqtotalfilesize": "25",
        "qqpartindex": "1",
        "qqpartbyteoffset": "10",
        "qqchunksize": "10",
        "qqtotalparts": "3",
    },
    "ng-file-upload": {
        "_chunkSize": "10",
        "_currentChunkSize": "10",
        "_chunkNumber": "1",
        "_totalSize": "25",
    },
    "Syncfusion Uploader": {"chunk-index": "1", "total-chunk": "3"},
    "Kendo UI Upload": {
        "metadata": json.dumps(
            {
                "chunkIndex": 1,
                "contentType": "",
                "fileName": "a.bin",
                "totalFileSize": 25,
                "totalChunks": 3,
                "uploadUid": "7c5b",
            }
        )
    },
    "DevExtreme FileUploader": {
        "chunkMetadata": json.dumps(
            {
                "FileName": "a.bin",
                "Index": 1,
                "TotalCount": 3,
                "FileSize": 25,
                "FileType": "",
                "FileGuid": "7c5b",
            }
        )
    },
    "own": {"chunkIndex": "1", "totalChunks": "3", "fileId": "7c5b"},
    "own, snake": {"chunk_index": "1", "total_chunks": "3"},
    "own, index alone": {"chunkIndex": "1", "last": "false"},
    "own, count alone": {"totalChunks": "3"},
}
#: What uploaders send with a file that they did not cut, and fields with other meanings.
WHOLE: dict[str, dict[str, str]] = {
    "dropzone with forceChunking": {
        **DROPZONE,
        "dzchunkindex": "0",
        "dztotalchunkcount": "1",
        "dzchunkbyteoffset": "0",
    },
    "Plupload": {"name": "a.bin", "chunk": "0", "chunks": "1"},
    "Plupload, empty": {"name": "a.bin", "chunk": "0", "chunks": "0"},
    "Plupload by offset": {"name": "a.bin", "offset": "0", "total": "10"},
    "Resumable.js": {"resumableChunkNumber": "1", "resumableTotalChunks": "1"},
    "Fine Uploader": {"qquuid": "x", "qqfilename": "a.bin", "qqtotalfilesize": "10"},
    "ng-file-upload": {"_chunkNumber": "0", "_totalSize": "10", "_chunkSize": "20"},
    "Kendo UI Upload": {"metadata": '{"chunkIndex": 0, "totalChunks": 1}'},
    "own": {"chunkIndex": "0", "totalChunks": "1"},
    "metadata of another kind": {"metadata": '{"title": "holiday"}'},
    "metadata that is no object": {"metadata": "[1, 2]"},
    "metadata that is no JSON": {"metadata": "holiday"},
    "metadata too deep": {"metadata": "[" * 60_000},
    "a word that Plupload uses, too": {"chunk": "bacon"},
    "both words": {"chunk": "bacon", "chunks": "many"},
    "an invoice": {"name": "x", "offset": "none", "total": "125.50"},
    "sizes for a splitter of texts": {"chunk_size": "500", "chunk_overlap": "50"},
    "nothing": {},
    "a field without a name": {"": "1"},
}


def refusal(said: dict[str, str], size: int = 10) -> ProblemError:
    """Return the problem of a form with these fields and one file of `size` bytes."""
    with pytest.raises(ProblemError) as caught:
        fields.read(said, size)
    return caught.value


def test_dropzone() -> None:
    """dropzone's fields give the slice's index and offset, and the length of the whole file."""
    assert fields.announces_slice(DROPZONE)
    found = fields.read(DROPZONE, 10)
    assert found == Slice(uuid=DROPZONE["dzuuid"], index=1, count=3, slice_bytes=10, length=25)
    assert (found.begin, found.size) == (10, 10)


def test_the_last_slice() -> None:
    """The last slice has the remaining bytes."""
    last = {**DROPZONE, "dzchunkindex": "2", "dzchunkbyteoffset": "20"}
    found = fields.read(last, 5)
    assert found is not None
    assert (found.begin, found.size) == (20, 5)
    assert refusal(last, 6).members["expected_bytes"] == 5


@pytest.mark.parametrize("name", DROPZONE)
def test_a_field_of_dropzone_is_missing(name: str) -> None:
    """If one of dropzone's fields is missing, the slice is refused with the name of the field."""
    said = {other: value for other, value in DROPZONE.items() if other != name}
    error = refusal(said)
    assert error.problem.slug == "slices-not-joined"
    assert name in error.detail


@pytest.mark.parametrize(
    "changed",
    [
        {"dzchunkindex": "3", "dzchunkbyteoffset": "30"},
        {"dzchunkindex": "-1"},
        {"dzchunkindex": "one"},
        {"dzchunkbyteoffset": "0"},
        {"dzchunkbyteoffset": "11"},
        {"dzchunksize": "0"},
        {"dzchunksize": "9"},
        {"dztotalfilesize": "31"},
        {"dztotalfilesize": "20"},
        {"dztotalfilesize": "0"},
        {"dztotalfilesize": ""},
        {"dztotalfilesize": "1" * 16},
        {"dztotalchunkcount": "2"},
        {"dztotalchunkcount": "4"},
        {"dztotalchunkcount": "many"},
        {"dzuuid": ""},
        {"dzuuid": "x" * 256},
    ],
)
def test_fields_that_contradict_each_other(changed: dict[str, str]) -> None:
    """A field that is invalid or contradicts the other fields is a conflict."""
    assert refusal({**DROPZONE, **changed}).problem.slug == "inconsistent-slice"


@pytest.mark.parametrize("size", [0, 9, 11])
def test_bytes_that_are_not_what_the_fields_say(size: int) -> None:
    """A slice whose size differs from the size in its fields is a conflict, and the refusal has
    both sizes.
    """
    error = refusal(DROPZONE, size)
    assert error.problem.slug == "inconsistent-slice"
    assert error.members == {"expected_bytes": 10, "received_bytes": size}


@pytest.mark.parametrize("uploader", OTHERS)
def test_other_uploaders(uploader: str) -> None:
    """A slice of any other uploader is refused with the uploader's name and the address of tus.

    The refusal of a slice with the fields of an unknown uploader has no name.
    """
    error = refusal(OTHERS[uploader])
    assert (error.problem.slug, error.problem.status) == ("slices-not-joined", 415)
    assert error.members["tus"] == "/v1/uploads"
    named = None if uploader.startswith("own") else uploader.partition(" by ")[0]
    assert error.members["uploader"] == named
    assert any(name in fields.NAMES for name in OTHERS[uploader])


@pytest.mark.parametrize("case", WHOLE)
def test_whole_files(case: str) -> None:
    """Fields of an uncut file, or with another meaning, describe no slice."""
    assert not fields.announces_slice(WHOLE[case])
    assert fields.read(WHOLE[case], 10) is None


@pytest.mark.parametrize(("slice_bytes", "fits"), [(1_000_000, True), (999_999, False)])
def test_very_many_slices(slice_bytes: int, *, fits: bool) -> None:
    """A file may have very many slices only if they are large enough."""
    many = {
        **DROPZONE,
        "dztotalchunkcount": "20000",
        "dzchunksize": str(slice_bytes),
        "dztotalfilesize": str(20_000 * slice_bytes),
        "dzchunkbyteoffset": str(slice_bytes),
    }
    if fits:
        found = fields.read(many, slice_bytes)
        assert found is not None
        assert found.count == 20_000
    else:
        with pytest.raises(ProblemError, match="must have 1000000 bytes or more"):
            fields.read(many, slice_bytes)
