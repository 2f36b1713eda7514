"""Tests that a client without valid credentials cannot tell private buckets from absent ones.

`tests/e2e/test_quiet_about_buckets.py` tests this claim through the gateway.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any

import pytest
from werkzeug.test import TestResponse

from servicekit.testing import Issuer
from tests.servers.upload import UploadService
from wharf_upload.database.sql import SqlRecords

LISTED, ELSEWHERE, EVIL = "https://app.test", "https://other.test", "https://evil.test"
#: Tenant and bucket: private, public without this file, absent, and of an absent tenant.
PRIVATE, PUBLIC, ABSENT, NOBODY = (
    ("demo", "private"),
    ("demo", "public0"),
    ("demo", "absent0"),
    ("none", "private"),
)
PLACES = (PRIVATE, PUBLIC, ABSENT, NOBODY)
KEY = "a.txt"


@pytest.fixture
def stored(upload: UploadService) -> UploadService:
    """Return a service with a private bucket that has a file, and with public buckets."""
    for tenant, name, policy in (
        (*PRIVATE, {"cors_origins": [LISTED]}),
        (*PUBLIC, {"public": True, "cors_origins": [ELSEWHERE]}),
        ("some", "private", {"public": True, "cors_origins": [ELSEWHERE]}),
    ):
        upload.tenant = tenant
        body = json.dumps(policy).encode()
        upload.request("PUT", f"/v1/buckets/{name}", body, {"Content-Type": "application/json"})
    upload.tenant = "demo"
    upload.put(KEY, b"text", bucket="private")
    return upload


#: Methods and addresses, with tickets that have a wrong signature or are expired.
WAYS = [
    *((method, "/v1/files/{bucket}/a.txt") for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH")),
    *((method, "/v1/files/{bucket}") for method in ("GET", "POST", "OPTIONS")),
    ("OPTIONS", "/v1/files/{bucket}/a.txt"),
    ("GET", "/v1/files/{bucket}/a.txt?w=64"),
    *((method, "/v1/metadata/{bucket}/a.txt") for method in ("GET", "PATCH", "OPTIONS")),
    *((method, "/v1/buckets/{bucket}") for method in ("GET", "PUT", "DELETE")),
    *((method, "/u/{forged}/a.txt") for method in ("PUT", "POST", "OPTIONS", "GET")),
    *((method, "/u/{expired}/a.txt") for method in ("PUT", "POST", "OPTIONS")),
    ("PUT", "/u/{forged}"),
    *((method, "/public/{tenant}/{bucket}/a.txt") for method in ("GET", "HEAD", "POST", "OPTIONS")),
    ("GET", "/public/{tenant}/{bucket}/a.txt?w=64"),
    ("GET", "/public/{tenant}/{bucket}/a.txt?w=65"),
    ("GET", "/public/{tenant}/{bucket}/a.txt?download=b.txt"),
    ("GET", "/public/{tenant}/{bucket}/"),
    ("GET", "/public/{tenant}/{bucket}"),
]
#: Further header fields: preconditions, and fields that are refused or cause questions.
FIELDS: list[Mapping[str, str]] = [
    {},
    {
        "If-Match": '"x"',
        "If-None-Match": "*",
        "Range": "bytes=0-1",
        "Access-Control-Request-Method": "PUT",
        "Content-Encoding": "gzip",
    },
]


def tickets(issuer: Issuer) -> dict[tuple[str, str], dict[str, str]]:
    """Return the invalid tickets for each place."""
    forger = Issuer()
    old: dict[str, Any] = {"iat": 1_699_999_999, "exp": 1_700_000_000}
    found = {}
    for tenant, bucket in PLACES:
        rules = {"bucket": bucket, "prefix": "in/"}
        said: dict[str, Any] = {"tid": tenant, "scope": "files:write", "ticket": rules}
        found[tenant, bucket] = {
            "tenant": tenant,
            "bucket": bucket,
            "forged": forger.token(**said),
            "expired": issuer.token(**said, **old),
        }
    return found


def told(reply: TestResponse) -> str:
    """Return the complete response without the request's id."""
    text = f"{reply.status}\n{reply.headers}\n{reply.get_data(as_text=True)}"
    return text.replace(reply.headers["X-Request-Id"], "")


def questions(method: str, path: str) -> Iterator[dict[str, str]]:
    """Yield the request itself, and the gateway's questions about it."""
    yield {}
    yield {"WHARF_STEP": "cors"}
    if path.startswith("/public/"):
        yield {"WHARF_STEP": "share"}
    elif method in {"PUT", "POST"} and path.startswith(("/v1/files/", "/u/")):
        yield {"WHARF_STEP": "admit", "CONTENT_LENGTH": "200000"}


@pytest.mark.parametrize("origin", [LISTED, ELSEWHERE, EVIL, "null", ""])
def test_a_stranger_sees_no_private_bucket(
    stored: UploadService, issuer: Issuer, origin: str
) -> None:
    """A response about a private bucket equals, byte for byte, the response about an absent bucket.

    It also equals those about a bucket of an absent tenant and about a public bucket without the
    file. This applies to any request and origin. A page of an unlisted origin cannot read the
    response.
    """
    good_for_nothing = tickets(issuer)
    for method, path in WAYS:
        for fields, environ in product(FIELDS, questions(method, path)):
            sent = {"Authorization": "", "Origin": origin, **fields}
            answers = [
                told(stored.request(method, path.format(**names), b"", sent, environ))
                for names in good_for_nothing.values()
            ]
            for other in answers[1:]:
                assert other == answers[0], (method, path, fields, environ)
            allowed = "Allow-Origin" in answers[0]
            assert allowed <= (origin in {LISTED, ELSEWHERE}), (method, path)


def test_a_private_bucket_costs_what_an_absent_one_costs(
    stored: UploadService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A private bucket costs the same queries as an absent one, so timing reveals nothing."""
    asked: list[str] = []
    for name in ("bucket", "file", "lists_origin"):
        monkeypatch.setattr(SqlRecords, name, counting(asked, getattr(SqlRecords, name)))
    counts = []
    for tenant, bucket in (PRIVATE, ABSENT, NOBODY):
        asked.clear()
        path = f"/public/{tenant}/{bucket}/{KEY}"
        for number, environ in enumerate(({"WHARF_STEP": "share"}, {"WHARF_STEP": "cors"}, {})):
            # Origins that are not cached yet.
            sent = {"Authorization": "", "Origin": f"https://{bucket}.{tenant}{number}.test"}
            stored.request("GET", path, b"", sent, environ)
        counts.append([*asked])
    assert counts == [["bucket", "lists_origin", "bucket", "lists_origin"]] * 3


def counting(asked: list[str], method: Callable[..., object]) -> Callable[..., object]:
    """Return the method with a record of its calls."""

    def ask(*arguments: object, **named: object) -> object:
        asked.append(method.__name__)
        return method(*arguments, **named)

    return ask


def test_a_page_that_is_listed_reads_what_is_told_to_nobody(stored: UploadService) -> None:
    """A page of an origin that any bucket lists can read refusals and preflights of all addresses,
    but results only if the bucket itself lists the origin.
    """
    name = "Access-Control-Allow-Origin"
    for path in ("/v1/files/absent0/a.txt", "/public/demo/private/a.txt", "/u/x.y.z/a", "/s/x"):
        for origin in (LISTED, ELSEWHERE):
            for method in ("OPTIONS", "GET"):
                sent = {"Authorization": "", "Origin": origin}
                reply = stored.request(method, path, b"", sent)
                assert reply.headers.get(name) == origin, (method, path)
    stored.put(KEY, b"text", bucket="public0")
    shown = "/public/demo/public0/a.txt"
    for origin, allowed in ((ELSEWHERE, ELSEWHERE), (LISTED, None)):
        for path, environ in (
            (shown, {}),
            (shown, {"WHARF_STEP": "share", "REQUEST_URI": shown}),
            ("/v1/files/public0/a.txt", {}),
            ("/v1/files/public0/absent.txt", {}),
        ):
            reply = stored.request("GET", path, b"", {"Origin": origin}, environ)
            found = reply.headers.get("X-Allow-Origin" if environ else name)
            assert found == allowed, (path, environ)


def test_a_guest_learns_of_no_other_bucket(stored: UploadService, issuer: Issuer) -> None:
    """A valid ticket gets the same refusal for any other bucket, existing or not, and a page that
    its own bucket lists can read the responses about that bucket.
    """
    rules = {"bucket": "private", "prefix": "in/"}
    token = issuer.token(tid="demo", scope="files:write", ticket=rules)
    sent = {"Authorization": f"Bearer {token}", "Origin": ELSEWHERE}
    answers = [
        told(stored.request("PUT", f"/v1/files/{bucket}/in/a.txt", b"x", sent))
        for bucket in ("public0", "absent0")
    ]
    assert answers[0] == answers[1]
    for path in ("/v1/files/private/in/b.txt", f"/u/{token}/c.txt"):
        by_path = {"Authorization": ""} if path.startswith("/u/") else {}
        done = stored.request("PUT", path, b"x", {**sent, "Origin": LISTED, **by_path})
        assert (done.status_code, done.headers["Access-Control-Allow-Origin"]) == (201, LISTED)
        other = stored.request("PUT", path, b"x", {**sent, "Origin": ELSEWHERE, **by_path})
        assert "Access-Control-Allow-Origin" not in other.headers
