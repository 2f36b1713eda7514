"""`HEAD`, `DELETE` and `OPTIONS` of tus uploads."""

from __future__ import annotations

from tests.servers.wharf.tus_client import TUS, Tus, metadata


def test_head_says_how_far(tus: Tus) -> None:
    """HEAD returns offset, length and metadata, and forbids caching."""
    address = tus.created(10, filename="a.txt", extra="é")
    assert tus.patch(address, 0, b"123").status == 204
    answer = tus.head(address)
    assert answer.status == 200
    assert answer.header("Upload-Offset") == "3"
    assert answer.header("Upload-Length") == "10"
    assert answer.header("Upload-Metadata") == metadata(filename="a.txt", extra="é")
    assert answer.header("Cache-Control") == "no-store"
    assert answer.header("Tus-Resumable") == "1.0.0"


def test_head_of_a_complete_upload(tus: Tus) -> None:
    """After a lost response, HEAD of a complete upload returns the full offset."""
    address = tus.created(3)
    assert tus.patch(address, 0, b"123").status == 204
    answer = tus.head(address)
    assert answer.header("Upload-Offset") == answer.header("Upload-Length") == "3"


def test_absent_uploads(tus: Tus) -> None:
    """An absent upload gets a 404 without an offset."""
    for address in ("/v1/uploads/" + "0" * 32, "/v1/uploads/x", "/v1/uploads/../x"):
        answer = tus.head(address)
        assert answer.status == 404
        assert "Upload-Offset" not in answer.headers


def test_delete_ends_an_upload(tus: Tus) -> None:
    """After a DELETE the upload gets a 404 for HEAD, PATCH and another DELETE."""
    address = tus.created(10)
    assert tus.patch(address, 0, b"123").status == 204
    assert tus.delete(address).status == 204
    assert tus.head(address).status == 404
    assert tus.patch(address, 3, b"4").status == 404
    assert tus.delete(address).status == 404


def test_options_tell_what_is_spoken(tus: Tus) -> None:
    """OPTIONS needs no token, and names version, extensions, sizes and algorithms."""
    answer = tus.api.using(None).request("OPTIONS", "/v1/uploads")
    assert answer.status == 204
    assert answer.header("Tus-Version") == "1.0.0"
    assert "concatenation-unfinished" in answer.header("Tus-Extension").split(",")
    assert "sha1" in answer.header("Tus-Checksum-Algorithm").split(",")
    assert int(answer.header("Tus-Max-Size")) > 0
    assert "max-size=" in answer.header("Upload-Limit")


def test_other_methods(tus: Tus) -> None:
    """A method that uploads do not support gets a 405 with the supported methods."""
    for method, address in (("PUT", "/v1/uploads"), ("PUT", tus.created(1))):
        answer = tus.api.request(method, address, b"x", TUS)
        answer.problem(405, "method-not-allowed")
        assert answer.header("Allow")
