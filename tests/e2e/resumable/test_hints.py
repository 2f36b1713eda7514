"""Header fields of the IETF protocol on whole files, and parts that must never become files."""

from __future__ import annotations

import pytest

from tests.servers.wharf.api_client import LARGE, SMALL, ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.multipart_body import CONTENT_TYPE, file_part, multipart_body
from tests.servers.wharf.raw_http import exchange, head
from tests.servers.wharf.tenants import Signer
from tests.servers.wharf.traces import nothing_stored

SIZES = pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])


@SIZES
@pytest.mark.parametrize("version", [str(number) for number in range(3, 13)])
@pytest.mark.parametrize("field", ["Upload-Complete: ?1", "Upload-Incomplete: ?0"])
def test_a_whole_file(api: ApiClient, content: bytes, version: str, field: str) -> None:
    """The fields that iOS and macOS send with a whole file have no effect, in any draft version."""
    name, _, value = field.partition(": ")
    sent = {name: value, "Upload-Draft-Interop-Version": version}
    answer = api.put("a.txt", content, sent)
    assert answer.status == 201, answer.body
    assert answer.header("Location") == "/v1/files/default/a.txt"
    assert api.file("a.txt").body == content


NOT_WHOLE = {
    "a part in another version": ["Upload-Complete: ?0", "Upload-Draft-Interop-Version: 6"],
    "a part of an old draft": ["Upload-Incomplete: ?1", "Upload-Draft-Interop-Version: 3"],
    "a part of an old draft without a version": ["Upload-Incomplete: ?1"],
    "no boolean": ["Upload-Complete: no"],
    "in quotes": ['Upload-Complete: "?0"'],
    "twice, whole first": ["Upload-Complete: ?1", "Upload-Complete: ?0"],
    "twice, part first": ["Upload-Complete: ?0", "Upload-Complete: ?1"],
    "old and twice, whole first": ["Upload-Incomplete: ?0", "Upload-Incomplete: ?1"],
    "old and twice, part first": ["Upload-Incomplete: ?1", "Upload-Incomplete: ?0"],
    "both, and they contradict": ["Upload-Complete: ?1", "Upload-Incomplete: ?1"],
    "both, and they contradict otherwise": ["Upload-Complete: ?0", "Upload-Incomplete: ?0"],
    "parameters that are none": ["Upload-Complete: ?0; ?1"],
    "a tab in front": ["Upload-Complete: \t?0"],
    "not the beginning": ["Upload-Offset: 7"],
    "a part that is not the beginning": ["Upload-Complete: ?0", "Upload-Offset: 3"],
    "a length that is not the content's": ["Upload-Length: 7"],
    "the same with a word": ["Upload-Complete: ?1", "Upload-Length: 7"],
}


@SIZES
@pytest.mark.parametrize("address", ["file", "ticket", "chunks"])
@pytest.mark.parametrize("fields", NOT_WHOLE.values(), ids=NOT_WHOLE)
def test_what_is_not_whole(
    wharf: Wharf, api: ApiClient, signer: Signer, content: bytes, address: str, fields: list[str]
) -> None:
    """A PUT of a possible part that belongs to no upload gets a 400 and stores nothing."""
    ticket = signer.token(
        tid=api.tenant, scope="files:write", ticket={"bucket": "default", "prefix": "in/"}
    )
    target = f"/u/{ticket}/a.txt" if address == "ticket" else "/v1/files/default/a.txt"
    sent = [] if address == "ticket" else [f"Authorization: Bearer {api.token}"]
    body = content
    if address == "chunks":
        sent.append("Transfer-Encoding: chunked")
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)
    else:
        sent.append(f"Content-Length: {len(content)}")
    request = head(f"PUT {target} HTTP/1.1", *sent, *fields, "Connection: close")
    with nothing_stored(wharf, api.tenant):
        answer = exchange(wharf.port, request + body)[-1]
        assert answer.status == 400, answer.body
    assert api.listed() == []


def test_refused_before_the_body(wharf: Wharf, api: ApiClient) -> None:
    """A large part in an unsupported version of the protocol is refused before its body."""
    request = head(
        "PUT /v1/files/default/a.txt HTTP/1.1",
        f"Authorization: Bearer {api.token}",
        "Content-Length: 1000000000",
        "Upload-Complete: ?0",
        "Upload-Draft-Interop-Version: 5",
        "Connection: close",
    )
    (answer,) = exchange(wharf.port, request)
    assert (answer.status, answer.slug) == (400, "malformed-request")
    assert answer.json()["interop_versions"] == ["8", "9"]


@SIZES
def test_a_form_of_parts(wharf: Wharf, api: ApiClient, signer: Signer, content: bytes) -> None:
    """A form with `Upload-Complete: ?0` is refused at every address that accepts forms."""
    ticket = signer.token(
        tid=api.tenant, scope="files:write", ticket={"bucket": "default", "prefix": "in/"}
    )
    body, sent = multipart_body(file_part("a.txt", content)), {"Upload-Complete": "?0"}
    with nothing_stored(wharf, api.tenant):
        for answer in (
            api.post_body(body, sent),
            api.using(None).request(
                "POST", f"/u/{ticket}", body, {"Content-Type": CONTENT_TYPE, **sent}
            ),
        ):
            assert "tus" in answer.problem(400, "malformed-request")["detail"]


CONTRADICTING = {
    "twice, part first": ["Upload-Complete: ?0", "Upload-Complete: ?1"],
    "twice, whole first": ["Upload-Complete: ?1", "Upload-Complete: ?0"],
    "both": ["Upload-Complete: ?1", "Upload-Incomplete: ?1"],
    "both, otherwise": ["Upload-Complete: ?0", "Upload-Incomplete: ?0"],
    "no boolean in the old field": ["Upload-Complete: ?1", "Upload-Incomplete: no"],
    "two offsets": ["Upload-Complete: ?1", "Upload-Offset: 0"],
}


@SIZES
@pytest.mark.parametrize("method", ["PATCH", "POST"])
@pytest.mark.parametrize("fields", CONTRADICTING.values(), ids=CONTRADICTING)
def test_an_end_that_may_be_none(
    wharf: Wharf, api: ApiClient, content: bytes, method: str, fields: list[str]
) -> None:
    """A request with contradictory fields about the file's end gets a 400 and stores no bytes."""
    address = api.put("a.txt", b"", {"Upload-Complete": "?0"}).header("Location")
    request = head(
        f"{method} {address} HTTP/1.1",
        f"Authorization: Bearer {api.token}",
        f"Content-Length: {len(content)}",
        "Content-Type: application/partial-upload",
        "X-HTTP-Method-Override: PATCH",
        "Upload-Offset: 0",
        *fields,
        "Connection: close",
    )
    answer = exchange(wharf.port, request + content)[-1]
    assert (answer.status, answer.slug) == (400, "malformed-request")
    assert api.request("HEAD", address).header("Upload-Offset") == "0"
    assert api.listed() == []
