"""A small HTTP client of Wharf that sends targets unchanged and records the responses it gets."""

from __future__ import annotations

import base64
import http.client
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from tests.servers.wharf.multipart_body import CONTENT_TYPE, Part, multipart_body

PROBLEM = "application/problem+json"
TIMEOUT_SECONDS = 60
# Bodies on both sides of the size above which the gateway spools them.
SMALL, LARGE = b"a small file\n", b"a large file\n" * 10_000
Headers = Mapping[str, str]

#: Method, path without query, and status of each response, with the first test that got it. At the
#: end of a session of tests, tests/session/answers.py compares them with the documents.
SEEN: dict[tuple[str, str, int], str] = {}


@dataclass(frozen=True)
class Answer:
    """A response."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        """Return the body, parsed as JSON."""
        return json.loads(self.body)

    def header(self, name: str) -> str:
        """Return the value of a header field that must occur exactly once."""
        values = self.headers.get_all(name) or []
        assert len(values) == 1, f"{name}: {values}"
        return str(values[0])

    def problem(self, status: int, slug: str) -> dict[str, Any]:
        """Return the problem document, which must have this status and kind."""
        assert (self.status, self.slug) == (status, slug), (self.status, self.body)
        found: dict[str, Any] = self.json()
        assert found["status"] == status
        assert found["title"]
        assert found["detail"]
        return found

    @property
    def slug(self) -> str:
        """Return the kind of problem, or an empty text for a response that is no problem."""
        # A problem document in place of a missing text file keeps the file's charset.
        media_type = self.headers.get("Content-Type", "").partition(";")[0]
        if not self.body or media_type != PROBLEM:
            return ""
        return str(self.json()["type"]).removeprefix("/problems/")


@dataclass(frozen=True)
class ApiClient:
    """A client of one Wharf with one token."""

    port: int
    token: str | None = None
    tenant: str = ""

    def using(self, token: str | None) -> ApiClient:
        """Return this client with another token, or without one."""
        return replace(self, token=token)

    def request(
        self,
        method: str,
        target: str,
        body: bytes | Iterable[bytes] | None = None,
        headers: Headers | None = None,
    ) -> Answer:
        """Send one request on a separate connection. A body that is an iterable is sent chunked."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)
        sent = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            # The target is sent unchanged. http.client checks only that it is one line.
            connection.request(method, target, body, {**sent, **(headers or {})})
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())
        finally:
            connection.close()
        test = os.environ.get("PYTEST_CURRENT_TEST", "").partition(" ")[0]
        SEEN.setdefault((method, target.partition("?")[0], answer.status), test)
        _check(answer)
        return answer

    def get(self, target: str, headers: Headers | None = None) -> Answer:
        """Send a GET."""
        return self.request("GET", target, headers=headers)

    def put(
        self,
        key: str,
        content: bytes | Iterable[bytes] = SMALL,
        headers: Headers | None = None,
        bucket: str = "default",
    ) -> Answer:
        """Send a PUT of a file. The key must already be percent-encoded."""
        return self.request("PUT", f"/v1/files/{bucket}/{key}", content, headers)

    def stored(
        self,
        key: str,
        content: bytes = SMALL,
        headers: Headers | None = None,
        bucket: str = "default",
    ) -> dict[str, Any]:
        """Send a PUT that must create a file, and return the file's JSON."""
        answer = self.put(key, content, headers, bucket)
        assert answer.status == 201, answer.body
        document: dict[str, Any] = answer.json()
        return document

    def file(self, key: str, headers: Headers | None = None, bucket: str = "default") -> Answer:
        """Send a GET of a file."""
        return self.get(f"/v1/files/{bucket}/{key}", headers)

    def delete(self, key: str, headers: Headers | None = None, bucket: str = "default") -> Answer:
        """Send a DELETE of a file."""
        return self.request("DELETE", f"/v1/files/{bucket}/{key}", headers=headers)

    def post(self, *parts: Part, headers: Headers | None = None, bucket: str = "default") -> Answer:
        """Send a POST of a form."""
        return self.post_body(multipart_body(*parts), headers, bucket)

    def post_body(
        self,
        body: bytes | Iterable[bytes],
        headers: Headers | None = None,
        bucket: str = "default",
    ) -> Answer:
        """Send a POST of a form's bytes."""
        fields = {"Content-Type": CONTENT_TYPE, **(headers or {})}
        return self.request("POST", f"/v1/files/{bucket}", body, fields)

    def send_json(self, method: str, target: str, content: object) -> Answer:
        """Send a request with a JSON body."""
        fields = {"Content-Type": "application/json"}
        return self.request(method, target, json.dumps(content).encode(), fields)

    def listed(self, bucket: str = "default") -> list[str]:
        """Return the keys of a bucket, at most 1000."""
        answer = self.get(f"/v1/files/{bucket}?limit=1000")
        assert answer.status == 200, answer.body
        return [file["key"] for file in answer.json()["files"]]

    def used(self) -> tuple[int, int]:
        """Return the bytes and files that count for the tenant."""
        answer = self.get("/v1/usage")
        assert answer.status == 200, answer.body
        usage = answer.json()
        return usage["bytes"], usage["files"]

    def login(self, client_id: str, secret: str, scope: str | None = None) -> Answer:
        """Request a token from auth with HTTP Basic."""
        basic = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
        form = {"grant_type": "client_credentials", **({"scope": scope} if scope else {})}
        fields = {
            "Authorization": f"Basic {basic}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        return self.request("POST", "/auth/oauth/token", urlencode(form).encode(), fields)


def _check(answer: Answer) -> None:
    """Check that a response has one request id, which is also in its problem document, and that an
    error shows no path of the disk.
    """
    request_id = answer.header("X-Request-Id")
    assert request_id
    if answer.slug:
        assert answer.json()["request_id"] == request_id
        assert answer.json()["status"] == answer.status
    # Row 28 of docs/security.md: no response shows where files are on the disk.
    if answer.status >= 400:
        for place in (b"/tenants/", b"/spool/", b"/staging/", b"wharf-e2e-", b"Traceback"):
            assert place not in answer.body
