"""Cross-origin requests (row 66): the responses that pages of other origins may read.

Row numbers are those of the tables in docs/security.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tests.e2e.cross_origin import BUCKET, EVIL, GOOD, bucket_of, check
from tests.servers.promised import ORIGINS_SECONDS, holds
from tests.servers.wharf.api_client import LARGE, SMALL, Answer, ApiClient
from tests.servers.wharf.multipart_body import file_part
from tests.servers.wharf.tenants import Signer
from wharf_upload.http.cors import EXPOSED

UPLOADS_SEND = {
    *("authorization", "content-type", "if-match", "if-none-match", "idempotency-key"),
    *("content-digest", "repr-digest", "prefer", "range", "x-request-id", "if-unmodified-since"),
    # Fields that uploaders add to forms when they cut files, and fields that scripts add to a file.
    *("content-range", "content-disposition", "upload-complete", "upload-incomplete"),
    # Fields that tracing libraries add to the requests of a page.
    *("traceparent", "tracestate", "baggage", "sentry-trace", "b3", "x-datadog-trace-id"),
}


def fields(answer: Answer, name: str) -> set[str]:
    """Return the members of a list field, in lower case."""
    return set(answer.header(name).lower().split(", "))


@pytest.fixture
def listed(api: ApiClient) -> ApiClient:
    """Return a client that has a public bucket with one listed origin."""
    return bucket_of(api, public=True)


@pytest.mark.parametrize("origin", [GOOD, *EVIL])
def test_preflights(listed: ApiClient, origin: str) -> None:
    """A preflight needs no credential, and allows only the listed origin, compared as a whole."""
    listed.stored("x", bucket=BUCKET)
    link = listed.send_json("POST", "/v1/links", {"bucket": BUCKET, "key": "x"}).json()["url"]
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization,content-type,repr-digest",
    }
    for target in (
        f"/v1/files/{BUCKET}",
        f"/v1/files/{BUCKET}/a/b.png",
        f"/public/{listed.tenant}/{BUCKET}/x",
        link,
    ):
        answer = listed.using(None).request("OPTIONS", target, headers=asked)
        assert (answer.status, answer.body) == (204, b"")
        check(answer.headers, origin)
        reads = "/v1/" not in target
        assert ("put" in fields(answer, "Allow")) is not reads
        if origin == GOOD:
            assert {"get", "head"} <= fields(answer, "Access-Control-Allow-Methods")
            assert fields(answer, "Access-Control-Allow-Headers") >= UPLOADS_SEND
            assert int(answer.header("Access-Control-Max-Age")) > 0


def test_a_preflight_knows_no_tenant(api: ApiClient, signer: Signer) -> None:
    """A preflight allows an origin that any tenant's bucket lists.

    Responses of buckets that do not list the origin stay unreadable.
    """
    bucket_of(signer.client(), "another-name")
    api.send_json("PUT", f"/v1/buckets/{BUCKET}", {})
    headers = {"Origin": GOOD}
    preflight = api.using(None).request("OPTIONS", f"/v1/files/{BUCKET}/x", headers=headers)
    assert preflight.header("Access-Control-Allow-Origin") == GOOD
    for answer in (
        api.put("x", SMALL, headers, BUCKET),
        api.put("x", LARGE, headers, BUCKET),
        api.file("x", headers, BUCKET),
        api.file("absent", headers, BUCKET),
    ):
        assert answer.headers["Access-Control-Allow-Origin"] is None


def test_a_bucket_that_is_gone_lists_nothing(listed: ApiClient) -> None:
    """A bucket that is deleted or gets a new policy no longer allows its old origin."""
    name, origin = f"bucket-{listed.tenant}", f"https://{listed.tenant}.example"
    for step in ("changed", "deleted"):
        bucket_of(listed, name, cors_origins=[origin])
        asked = {"Origin": origin}
        assert holds(lambda asked=asked: allowed(listed, name, asked), ORIGINS_SECONDS)
        if step == "changed":
            listed.send_json("PUT", f"/v1/buckets/{name}", {"cors_origins": ["https://b.example"]})
        else:
            assert listed.request("DELETE", f"/v1/buckets/{name}").status == 204

        assert holds(lambda asked=asked: not allowed(listed, name, asked), ORIGINS_SECONDS), step


def allowed(client: ApiClient, bucket: str, asked: Mapping[str, str]) -> bool:
    """Tell whether a preflight allows the origin."""
    answer = client.using(None).request("OPTIONS", f"/v1/files/{bucket}", headers=asked)
    return answer.headers["Access-Control-Allow-Origin"] is not None


def test_any_origin(api: ApiClient) -> None:
    """A bucket that lists `*` allows every origin but `null`, and changes no other bucket."""
    bucket_of(api, "any-origin", cors_origins=["*"])
    bucket_of(api, "narrow")
    for name in ("any-origin", "narrow"):
        api.stored("x", bucket=name)
    for origin in ("https://whoever.example", GOOD):
        answer = api.file("x", {"Origin": origin}, "any-origin")
        assert answer.header("Access-Control-Allow-Origin") == origin
    for origin, name in (("null", "any-origin"), (EVIL[0], "narrow")):
        answer = api.file("x", {"Origin": origin}, name)
        assert answer.headers["Access-Control-Allow-Origin"] is None
    # A preflight does not know the tenant, so `*` would
    # allow every origin in all tests. The test removes it.
    bucket_of(api, "any-origin", cors_origins=[GOOD])
    assert holds(lambda: not allowed(api, "any-origin", {"Origin": EVIL[0]}), ORIGINS_SECONDS)


def calls(
    client: ApiClient, signer: Signer, headers: Mapping[str, str]
) -> Iterator[tuple[int, Answer]]:
    """Yield responses of all kinds from the application, each with its expected status."""
    stranger = client.using(None)
    form = {**headers, "Content-Type": "multipart/form-data; boundary=x"}
    public = f"/public/{client.tenant}/{BUCKET}"
    ticket = signer.token(
        tid=client.tenant, scope="files:write", ticket={"bucket": BUCKET, "prefix": "in/"}
    )
    expired = signer.token(
        tid=client.tenant, scope="files:write", iat=1, exp=2, ticket={"bucket": BUCKET, "key": "k"}
    )
    etag = client.stored("there", b"there" * 50_000, bucket=BUCKET)["etag"]
    yield 201, client.put("small", SMALL, headers, BUCKET)
    yield 201, client.put("large", LARGE, headers, BUCKET)
    yield 201, client.post(file_part("f.txt"), headers=headers, bucket=BUCKET)
    yield 200, client.file("there", headers, BUCKET)
    yield 200, client.file("there", {**headers, "If-Match": etag}, BUCKET)
    yield 206, client.file("there", {**headers, "Range": "bytes=0-1"}, BUCKET)
    yield 304, client.file("there", {**headers, "If-None-Match": etag}, BUCKET)
    yield 412, client.file("there", {**headers, "If-Match": '"x"'}, BUCKET)
    yield 416, client.file("there", {**headers, "Range": "bytes=999999-"}, BUCKET)
    yield 404, client.file("absent", headers, BUCKET)
    yield 200, client.get(f"/v1/files/{BUCKET}", headers)
    yield 201, stranger.request("PUT", f"/u/{ticket}/small", SMALL, headers)
    yield 201, stranger.request("PUT", f"/u/{ticket}/large", LARGE, headers)
    yield 401, stranger.request("PUT", f"/u/{expired}", SMALL, headers)
    yield 401, stranger.request("PUT", f"/u/{expired}", LARGE, headers)
    yield 204, stranger.request("OPTIONS", f"/u/{ticket}/large", headers=headers)
    yield 401, stranger.put("x", SMALL, headers, BUCKET)
    yield 401, stranger.put("x", LARGE, headers, BUCKET)
    yield 401, stranger.get(f"/v1/files/{BUCKET}/x", headers)
    yield 401, stranger.request("DELETE", f"/v1/files/{BUCKET}/x", headers=headers)
    yield 415, client.put("x", SMALL, {**headers, "Content-Encoding": "gzip"}, BUCKET)
    yield 415, client.put("x", LARGE, {**headers, "Content-Encoding": "gzip"}, BUCKET)
    yield 413, client.put("x", b"x" * 1_500_000, headers, BUCKET)
    yield 400, client.post_body(b"no form", form, BUCKET)
    yield 200, stranger.get(f"{public}/there", headers)
    yield 206, stranger.get(f"{public}/there", {**headers, "Range": "bytes=0-1"})
    yield 304, stranger.get(f"{public}/there", {**headers, "If-None-Match": etag})
    yield 412, stranger.get(f"{public}/there", {**headers, "If-Match": '"x"'})
    yield 416, stranger.get(f"{public}/there", {**headers, "Range": "bytes=999999-"})
    yield 404, stranger.get(f"{public}/absent", headers)
    yield 405, stranger.request("DELETE", f"{public}/there", headers=headers)
    yield 204, client.delete("there", headers, BUCKET)


@pytest.mark.parametrize("origin", [GOOD, *EVIL[:5]])
def test_answers(listed: ApiClient, signer: Signer, origin: str) -> None:
    """Only the listed origin can read the responses to stored, served and refused requests."""
    bucket_of(listed, public=True, max_file_bytes=1_000_000)
    for status, answer in calls(listed, signer, {"Origin": origin}):
        assert answer.status == status, answer.body
        check(answer.headers, origin)
        if origin == GOOD and "Access-Control-Allow-Methods" not in answer.headers:
            assert answer.header("Access-Control-Expose-Headers") == EXPOSED


def test_without_an_origin(listed: ApiClient) -> None:
    """Every response has `Vary: Origin`, even when the request has no Origin."""
    listed.stored("x", bucket=BUCKET)
    for answer in (
        listed.file("x", bucket=BUCKET),
        listed.file("absent", bucket=BUCKET),
        listed.get(f"/v1/files/{BUCKET}"),
        listed.put("y", LARGE, bucket=BUCKET),
        listed.using(None).put("y", LARGE, bucket=BUCKET),
        listed.get(f"/public/{listed.tenant}/{BUCKET}/x"),
    ):
        assert answer.header("Vary") == "Origin"
        assert answer.headers["Access-Control-Allow-Origin"] is None
