"""Responses through the gateway, even nginx's own, that reveal no private bucket.

`tests/unit/upload/test_quiet_about_buckets.py` covers every request to the application.
"""

from __future__ import annotations

import pytest

from tests.servers.wharf.api_client import LARGE, Answer, ApiClient
from tests.servers.wharf.tenants import Signer

LISTED, EVIL = "https://private.example", "https://evil.example"
PUBLIC = "/public/{tenant}/{bucket}/a.txt"
FILES = "/v1/files/{bucket}/a.txt"
#: Method, address, fields and body of each request. nginx caches some of the responses. nginx or
#: the application makes the refusals, with and without a body.
WAYS: list[tuple[str, str, dict[str, str], bytes | None]] = [
    ("GET", PUBLIC, {}, None),
    ("HEAD", PUBLIC, {}, None),
    ("GET", f"{PUBLIC}?w=64", {}, None),
    ("GET", f"{PUBLIC}?w=1", {}, None),
    ("GET", f"{PUBLIC}?download=b.txt", {"Range": "bytes=9-"}, None),
    ("GET", PUBLIC, {"If-Match": '"x"'}, None),
    ("GET", PUBLIC, {"If-None-Match": "*"}, None),
    ("DELETE", PUBLIC, {}, None),
    ("OPTIONS", PUBLIC, {"Access-Control-Request-Method": "GET"}, None),
    ("GET", FILES, {}, None),
    ("PUT", FILES, {}, b"x"),
    ("PUT", FILES, {}, LARGE),
    ("PUT", FILES, {"Content-Length": "99999999999999"}, None),
    ("OPTIONS", FILES, {"Access-Control-Request-Method": "PUT"}, None),
    ("OPTIONS", "/u/{ticket}/a.txt", {"Access-Control-Request-Method": "PUT"}, None),
    ("PUT", "/u/{ticket}/a.txt", {}, b"x"),
    ("PUT", "/u/{ticket}/a.txt", {}, LARGE),
]


def told(answer: Answer) -> str:
    """Return the bytes of a whole response without the request id and the date."""
    own = answer.headers["X-Request-Id"] or "(none)"
    del answer.headers["Date"], answer.headers["X-Request-Id"]
    return f"{answer.status}\n{answer.headers}\n{answer.body!r}".replace(own, "")


def expired(signer: Signer, tenant: str, bucket: str) -> str:
    """Return an expired upload ticket."""
    return signer.token(tid=tenant, iat=1, exp=2, ticket={"bucket": bucket, "key": "a.txt"})


@pytest.mark.parametrize("origin", [LISTED, EVIL])
def test_a_stranger_sees_no_private_bucket(api: ApiClient, signer: Signer, origin: str) -> None:
    """A private bucket, an absent bucket and an absent tenant get equal responses.

    A page can read these responses if any bucket lists
    the page's origin, and otherwise none of them.
    """
    answer = api.send_json("PUT", "/v1/buckets/private", {"cors_origins": [LISTED]})
    assert answer.status == 201
    api.stored("a.txt", bucket="private")
    stranger = api.using(None)
    places = [
        {"tenant": tenant, "bucket": bucket, "ticket": expired(signer, tenant, bucket)}
        for tenant, bucket in (
            (api.tenant, "private"),
            (api.tenant, "absent0"),
            ("nobody", "private"),
        )
    ]
    for method, path, fields, body in WAYS:
        sent = {**fields, "Origin": origin}
        answers = []
        for names in places:
            target = path.format(**names)
            # The second response comes from nginx's cache.
            times = 2 if (method, path) == ("GET", PUBLIC) else 1
            answers += [told(stranger.request(method, target, body, sent)) for _ in range(times)]
        assert len({*answers}) == 1, (method, path, fields, answers)
        assert ("Allow-Origin" in answers[0]) == (origin == LISTED), (method, path, answers[0])
