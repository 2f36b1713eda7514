"""The extension Concatenation: partial uploads in parallel, which are joined to one file."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.tenants import Signer
from tests.servers.wharf.tus_client import Tus

PARTIAL = {"Upload-Concat": "partial"}


def partial(tus: Tus, length: int) -> str:
    """Return the address of a new partial upload."""
    answer = tus.create(length, headers=PARTIAL)
    assert answer.status == 201, answer.body
    return answer.header("Location")


def final(parts: list[str]) -> dict[str, str]:
    """Return the header fields that create a final upload."""
    return {"Upload-Concat": "final;" + " ".join(parts), "Upload-Length": ""}


def test_parts_become_one_file(tus: Tus, api: ApiClient) -> None:
    """Partial uploads that arrive in parallel are joined in the order of the final upload."""
    pieces = [os.urandom(700_000) for _ in range(4)]
    parts = [partial(tus, len(piece)) for piece in pieces]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda part, piece: tus.patch(part, 0, piece), parts, pieces))
    assert [answer.status for answer in answers] == [204] * 4
    assert api.listed() == []
    answer = tus.create(0, headers=final(parts), filename="joined.bin")
    assert answer.status == 201, answer.body
    assert api.file("joined.bin").body == b"".join(pieces)
    used = api.get("/v1/usage").json()
    assert (used["bytes"], used["files"]) == (sum(map(len, pieces)), 1)


def test_unfinished_parts(tus: Tus, api: ApiClient) -> None:
    """A client may create a final upload before its parts are complete.

    The final upload is complete when its last part is complete.
    """
    parts = [partial(tus, 3), partial(tus, 3)]
    answer = tus.create(0, headers=final(parts), filename="early.bin")
    assert answer.status == 201, answer.body
    address = answer.header("Location")
    assert "Upload-Offset" not in tus.head(address).headers
    assert tus.patch(parts[1], 0, b"def").status == 204
    assert api.listed() == []
    assert tus.patch(parts[0], 0, b"abc").status == 204
    assert api.file("early.bin").body == b"abcdef"
    seen = tus.head(address)
    assert seen.header("Upload-Offset") == seen.header("Upload-Length") == "6"
    assert seen.header("Upload-Concat").startswith("final;")


def test_a_final_upload_takes_no_bytes(tus: Tus) -> None:
    """A PATCH of a final upload gets a 403."""
    parts = [partial(tus, 3)]
    answer = tus.create(0, headers=final(parts), filename="f")
    tus.patch(answer.header("Location"), 0, b"x").problem(403, "final-upload")


def test_only_own_parts(tus: Tus, signer: Signer) -> None:
    """Parts of another tenant cannot be joined, and get a 404."""
    other = Tus(signer.client())
    part = partial(other, 3)
    assert other.patch(part, 0, b"abc").status == 204
    tus.create(0, headers=final([part]), filename="theft").problem(404, "not-found")


def test_partial_uploads_say_so(tus: Tus) -> None:
    """HEAD of a partial upload returns `Upload-Concat: partial`."""
    address = partial(tus, 3)
    assert tus.head(address).header("Upload-Concat") == "partial"
