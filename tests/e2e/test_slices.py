"""Slices of files in forms: Wharf joins dropzone's slices, and refuses all others."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest

from tests.servers.wharf.api_client import Answer, ApiClient
from tests.servers.wharf.instance import Wharf, start
from tests.servers.wharf.multipart_body import (
    CONTENT_TYPE,
    Part,
    field_part,
    file_part,
    multipart_body,
)
from tests.servers.wharf.tenants import Signer
from tests.servers.wharf.traces import nothing_stored

SLICE = 1_500_000


@dataclass
class Sliced:
    """A file that dropzone cuts into slices, and the address to which it sends them."""

    api: ApiClient
    target: str = "/v1/files/default"
    name: str = "film.bin"
    content: bytes = field(default_factory=lambda: os.urandom(5 * SLICE + 77))
    uuid: str = field(default_factory=lambda: str(uuid4()))

    def parts(self, index: int) -> Iterator[Part]:
        """Yield the parts of the form with a slice, in dropzone's order."""
        for name, value in {
            "dzuuid": self.uuid,
            "dzchunkindex": index,
            "dztotalfilesize": len(self.content),
            "dzchunksize": SLICE,
            "dztotalchunkcount": -(-len(self.content) // SLICE),
            "dzchunkbyteoffset": index * SLICE,
        }.items():
            yield field_part(name, str(value))
        yield file_part(self.name, self.content[index * SLICE : (index + 1) * SLICE])

    def send(self, index: int) -> Answer:
        """Send a slice."""
        body = multipart_body(*self.parts(index))
        return self.api.request("POST", self.target, body, {"Content-Type": CONTENT_TYPE})


def assert_whole(api: ApiClient, sliced: Sliced, key: str = "film.bin") -> None:
    """Check that one file is stored, with all its bytes, and counted once."""
    assert api.listed() == [key]
    document = api.get(f"/v1/metadata/default/{key}").json()
    assert document["sha256"] == hashlib.sha256(sliced.content).hexdigest()
    assert api.file(key).body == sliced.content
    assert api.used() == (len(sliced.content), 1)


def test_in_order(api: ApiClient) -> None:
    """Slices in order each get a 202, and the last slice gets a 201, even when it is repeated."""
    sliced = Sliced(api)
    assert [sliced.send(index).status for index in range(5)] == [202] * 5
    last = sliced.send(5)
    assert last.status == 201
    assert last.header("Location") == "/v1/files/default/film.bin"
    assert sliced.send(5).json() == last.json()
    assert_whole(api, sliced)


@pytest.mark.parametrize("by_path", [False, True])
def test_side_by_side_by_ticket(api: ApiClient, signer: Signer, *, by_path: bool) -> None:
    """Concurrent slices in different processes become one file, and use up one file of a ticket."""
    ticket = {"bucket": "default", "prefix": "in/", "max_files": 1}
    token = signer.token(tid=api.tenant, scope="files:write", ticket=ticket)
    sliced = Sliced(api.using(None if by_path else token))
    if by_path:
        sliced.target = f"/u/{token}"
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(sliced.send, range(6)))
    assert {answer.status for answer in answers} <= {201, 202}
    assert 201 in {answer.status for answer in answers}
    assert_whole(api, sliced, "in/film.bin")


def test_after_a_kill() -> None:
    """`kill -9` of every process loses no acknowledged slice, joined or parked."""
    base = Path(tempfile.mkdtemp(prefix="wharf-slices-"))
    try:
        wharf = start(base, base / "data", {})
        sliced = Sliced(Signer(wharf).client(sub="page"))
        assert [sliced.send(index).status for index in (0, 1, 3, 5)] == [202] * 4
        wharf.kill()
        wharf = start(base, base / "data", {})
        sliced.api = Signer(wharf).client(sub="page", tid=sliced.api.tenant)
        assert sliced.send(4).status == 202
        assert sliced.send(2).status == 201
        assert_whole(sliced.api, sliced)
        wharf.stop()
    finally:
        shutil.rmtree(base, ignore_errors=True)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "film.bin", "chunk": "0", "chunks": "4"},
        {"resumableChunkNumber": "1", "resumableTotalChunks": "4", "resumableIdentifier": "x"},
        {"qquuid": "x", "qqpartindex": "0", "qqtotalparts": "4"},
        {"dzuuid": "x", "dzchunkindex": "0"},
    ],
)
def test_other_uploaders(wharf: Wharf, api: ApiClient, fields: dict[str, str]) -> None:
    """A slice of any other uploader is refused with the address for tus."""
    parts = [field_part(name, value) for name, value in fields.items()]
    with nothing_stored(wharf, api.tenant):
        problem = api.post(*parts, file_part("blob")).problem(415, "slices-not-joined")
    assert problem["tus"] == "/v1/uploads"


def test_by_header(wharf: Wharf, api: ApiClient) -> None:
    """A form whose header fields mark it as a slice is refused with the address for tus."""
    with nothing_stored(wharf, api.tenant):
        fields = {"Content-Range": "bytes 0-6/14"}
        problem = api.post(file_part("a"), headers=fields).problem(415, "slices-not-joined")
    assert (problem["uploader"], problem["tus"]) == ("jQuery File Upload", "/v1/uploads")


def test_a_test_of_slices_is_no_success(api: ApiClient) -> None:
    """A query of Resumable.js for a slice at the list of files gets a 400, never a success."""
    answer = api.get("/v1/files/default?resumableChunkNumber=1&resumableTotalChunks=4")
    assert answer.status == 400


@pytest.mark.parametrize("size", [7, 1_500_000])
@pytest.mark.parametrize("by", ["client", "key", "prefix"])
def test_slices_without_a_form(
    wharf: Wharf, api: ApiClient, signer: Signer, size: int, by: str
) -> None:
    """A `PUT` of a slice is refused; a `PUT` of a file's only slice stores the file."""
    address = "/v1/files/default/film.bin"
    if by != "client":
        place = {"key": "film.bin"} if by == "key" else {"prefix": ""}
        ticket = {"bucket": "default", **place}
        address = f"/u/{signer.token(tid=api.tenant, scope='files:write', ticket=ticket)}"
        address += "" if by == "key" else "/film.bin"
    sender = api if by == "client" else api.using(None)
    query = "?resumableChunkNumber=1&resumableTotalChunks="
    with nothing_stored(wharf, api.tenant):
        refused = sender.request("PUT", f"{address}{query}2", bytes(size))
        assert refused.problem(415, "slices-not-joined")["uploader"] == "Resumable.js"
    assert sender.request("PUT", f"{address}{query}1", bytes(size)).status == 201
    assert api.file("film.bin").body == bytes(size)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_question_before_a_put(api: ApiClient, method: str) -> None:
    """A query for a slice gets 204 without a body, even if a file with the key exists."""
    api.stored("film.bin", b"another film")
    answer = api.request(method, "/v1/files/default/film.bin?flowChunkNumber=1&flowTotalChunks=1")
    assert (answer.status, answer.body) == (204, b"")
