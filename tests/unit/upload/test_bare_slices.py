"""Tests that a slice which is sent without a form never becomes a file."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from tests.servers.slices import document, refused
from tests.servers.upload import UploadService
from tests.servers.upload_invariants import live

BARE = {
    "Resumable.js": {"resumableChunkNumber": "1", "resumableTotalChunks": "2"},
    "flow.js": {"flowChunkNumber": "1", "flowTotalChunks": "2"},
    "simple-uploader": {"chunkNumber": "1", "totalChunks": "2"},
    "Plupload": {"name": "film.bin", "chunk": "0", "chunks": "2"},
    "Plupload by offset": {"name": "film.bin", "offset": "0", "total": "9"},
    "Fine Uploader": {"qqpartindex": "0", "qqtotalparts": "2"},
    "dropzone": {"dzuuid": "x", "dzchunkindex": "0", "dztotalchunkcount": "2"},
    "own": {"chunk_index": "0", "total_chunks": "2"},
}
#: The uploaders that ask before they send, with their question for a file of one slice.
TESTERS = {
    "Resumable.js": {"resumableChunkNumber": "1", "resumableTotalChunks": "1"},
    "flow.js": {"flowChunkNumber": "1", "flowTotalChunks": "1"},
    "simple-uploader": {"chunkNumber": "1", "totalChunks": "1"},
}


@pytest.mark.parametrize("uploader", BARE)
@pytest.mark.parametrize("spooled", [False, True])
def test_a_put(upload: UploadService, uploader: str, *, spooled: bool) -> None:
    """A `PUT` of a slice is refused before its body, with the address of tus."""
    reply = upload.put(f"film.bin?{urlencode(BARE[uploader])}", b"slice", spooled=spooled)
    assert refused(reply) == (415, "slices-not-joined")
    assert document(reply)["tus"] == "/v1/uploads"
    assert live(upload) == {}


@pytest.mark.parametrize("place", [{"key": "in/film.bin"}, {"prefix": "in/"}])
def test_a_put_by_ticket(upload: UploadService, place: dict[str, str]) -> None:
    """A `PUT` of a slice with a ticket is refused."""
    ticket = {"bucket": "default", **place}
    token = upload.issuer.token(tid="demo", scope="files:write", ticket=ticket)
    name = "" if "key" in place else "/film.bin"
    query = urlencode(BARE["flow.js"])
    reply = upload.request("PUT", f"/u/{token}{name}?{query}", b"slice", {"Authorization": ""})
    assert refused(reply) == (415, "slices-not-joined")
    assert live(upload) == {}


@pytest.mark.parametrize(
    "query",
    [
        *(urlencode(said) for said in TESTERS.values()),
        "dzuuid=x&dzchunkindex=0&dztotalchunkcount=1",
        "name=film.bin&offset=0&total=9",
        "metadata=holiday&chunk=1",
        "x=%zz&&=&flow",
    ],
)
@pytest.mark.parametrize("spooled", [False, True])
def test_a_whole_put(upload: UploadService, query: str, *, spooled: bool) -> None:
    """A `PUT` is stored if its query describes the only slice of a file, or no slice."""
    reply = upload.put(f"film.bin?{query}", b"the whole", spooled=spooled)
    assert reply.status_code == 201, reply.text
    assert upload.content("film.bin") == b"the whole"


@pytest.mark.parametrize("uploader", TESTERS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("there", [True, False])
def test_the_question_before(
    upload: UploadService, uploader: str, method: str, *, there: bool
) -> None:
    """An uploader that asks for a slice gets 204, even if a file with that key exists.

    The uploader would skip the slice after a 200, and flow.js treats 404 as an error.
    """
    if there:
        upload.put("film.bin", b"another film")
    for said in (BARE[uploader], TESTERS[uploader]):
        reply = upload.request(method, f"/v1/files/default/film.bin?{urlencode(said)}")
        assert (reply.status_code, reply.data) == (204, b"")
        assert reply.headers["Cache-Control"] == "no-store"
        assert "X-Accel-Redirect" not in reply.headers


def test_the_question_of_strangers(upload: UploadService) -> None:
    """The question for a slice needs a token, as a download does."""
    query = urlencode(BARE["flow.js"])
    path = f"/v1/files/default/film.bin?{query}"
    reply = upload.request("GET", path, headers={"Authorization": ""})
    assert refused(reply)[0] == 401


def test_a_download_with_a_query(upload: UploadService) -> None:
    """A file can be downloaded with a query that does not describe a slice."""
    upload.put("film.bin", b"film")
    for query in ("download=a.bin", "chunkNumber=1", "totalChunks=2", "name=flowChunkNumber"):
        assert upload.request("GET", f"/v1/files/default/film.bin?{query}").status_code == 200
