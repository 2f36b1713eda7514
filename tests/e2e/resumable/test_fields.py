"""Header fields that the protocols require on responses of every kind."""

from __future__ import annotations

import pytest

from tests.servers.wharf.api_client import Answer, ApiClient
from tests.servers.wharf.tenants import Signer
from tests.servers.wharf.tus_client import TUS, Tus

IETF = {"Content-Type": "application/partial-upload", "Upload-Complete": "?0"}


def refusals(tus: Tus, signer: Signer) -> dict[int, Answer]:
    """Return refusals of tus requests, by status."""
    address, anyone = tus.created(10), Tus(tus.api.using(None))
    tus.patch(address, 0, b"12345")
    wrong = {"Upload-Checksum": "sha1 " + "A" * 27 + "="}
    images = {"allowed_types": ["image/*"]}
    assert tus.api.send_json("PUT", "/v1/buckets/images", images).status == 201
    typed = tus.created(6, bucket="images", filename="a.png")
    return {
        400: tus.create(10, headers={"Upload-Length": "x"}),
        401: anyone.create(10),
        403: Tus(signer.client(scope="files:read")).create(10),
        404: tus.patch("/v1/uploads/" + "0" * 32, 0, b"x"),
        405: tus.api.request("PUT", address, b"", TUS),
        409: tus.patch(address, 0, b"x"),
        412: tus.api.request("HEAD", address, headers={"Tus-Resumable": "0.2.2"}),
        413: tus.patch(address, 5, b"123456"),
        415: tus.patch(typed, 0, b"<html>"),
        460: tus.patch(address, 5, b"6", wrong),
    }


def test_the_version_is_on_every_answer(tus: Tus, signer: Signer) -> None:
    """Each refusal of a tus request has Tus-Resumable, with the statuses from 400 to 460."""
    for status, answer in refusals(tus, signer).items():
        assert answer.status == status, (status, answer.body)
        assert answer.header("Tus-Resumable") == "1.0.0"


def test_another_version(tus: Tus) -> None:
    """A POST, PATCH or DELETE with an unsupported version gets a 412 with the supported version.

    Wharf stores no byte of the request.
    """
    address = tus.created(10)
    old = {"Tus-Resumable": "0.2.2"}
    for answer in (
        tus.create(10, headers=old),
        tus.patch(address, 0, b"x", old),
        tus.patch(address, 0, b"x" * 200_000, old),
        tus.api.request("DELETE", address, headers=old),
    ):
        answer.problem(412, "tus-version")
        assert answer.header("Tus-Version") == "1.0.0"
    assert tus.offset(address) == 0


def test_when_it_expires(tus: Tus) -> None:
    """Every response about an upload that expires has Upload-Expires, even a refused offset."""
    created = tus.create(10)
    address = created.header("Location")
    parts = tus.create(5, headers={"Upload-Concat": "partial"})
    answers = [
        created,
        parts,
        tus.patch(address, 0, b"123"),
        tus.head(address),
        tus.patch(address, 9, b"123"),
        tus.patch(address, 3, b"4", {"Upload-Checksum": "sha1 " + "A" * 27 + "="}),
    ]
    for answer in answers:
        assert answer.header("Upload-Expires").endswith("GMT"), answer.body


def test_final_uploads_say_what_they_are(tus: Tus) -> None:
    """HEAD of a final upload names its parts.

    When the final upload is complete, HEAD also returns its offset and length.
    """
    address = tus.create(3, headers={"Upload-Concat": "partial"}).header("Location")
    joining = f"final;{address}"
    fields = {"Upload-Concat": joining, "Upload-Length": ""}
    final = tus.create(0, headers=fields, filename="f").header("Location")
    before = tus.head(final)
    assert before.header("Upload-Concat") == joining
    assert "Upload-Offset" not in before.headers
    assert "Upload-Length" not in before.headers
    assert tus.patch(address, 0, b"abc").status == 204
    after = tus.head(final)
    assert after.header("Upload-Concat") == joining
    assert after.header("Upload-Offset") == after.header("Upload-Length") == "3"


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_looking_as_the_ietf_says(api: ApiClient, method: str) -> None:
    """HEAD and GET return offset, state, length and limits, and forbid caching."""
    headers = {"Upload-Complete": "?0", "Upload-Length": "10"}
    address = api.put("looked-at", b"", headers).header("Location")
    answer = api.request(method, address)
    assert answer.status == 204
    assert answer.header("Upload-Offset") == "0"
    assert answer.header("Upload-Complete") == "?0"
    assert answer.header("Upload-Length") == "10"
    assert answer.header("Cache-Control") == "no-store"
    assert "max-age=" in answer.header("Upload-Limit")


def test_limits_with_a_refusal(api: ApiClient) -> None:
    """A 413 of the IETF protocol states the bucket's size limit in Upload-Limit."""
    assert api.send_json("PUT", "/v1/buckets/small", {"max_file_bytes": 100}).status == 201
    large = {"Upload-Complete": "?0", "Upload-Length": "101"}
    answer = api.put("a", b"", large, bucket="small")
    answer.problem(413, "too-large")
    assert "max-size=100" in answer.header("Upload-Limit")
    begun = api.put("a", b"", {"Upload-Complete": "?0"}, bucket="small")
    assert begun.status == 201
    address = begun.header("Location")
    answer = api.request("PATCH", address, b"x" * 101, {**IETF, "Upload-Offset": "0"})
    answer.problem(413, "too-large")
    assert "max-size=100" in answer.header("Upload-Limit")


def test_the_limit_is_the_buckets(api: ApiClient) -> None:
    """The response to a creation states the size limit of the bucket instead of the service's."""
    assert api.send_json("PUT", "/v1/buckets/small", {"max_file_bytes": 100}).status == 201
    answer = api.put("a", b"", {"Upload-Complete": "?0"}, bucket="small")
    assert "max-size=100" in answer.header("Upload-Limit")
