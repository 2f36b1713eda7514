"""A tiny HTTP client of Wharf: sends targets as they are given, remembers which answers it saw."""

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
# Bodies on both sides of the border between the in-memory way and the spooled way.
SMALL, LARGE = b"a small file\n", b"a large file\n" * 10_000
Headers = Mapping[str, str]

#: Method, path without query, and status of every answer, and the test that saw it first. When a
#: session of tests ends, tests/session/answers.py compares them with the documents.
SEEN: dict[tuple[str, str, int], str] = {}


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def header(self, name: str) -> str:
        """A header field that must be there exactly once."""
        values = self.headers.get_all(name) or []
        assert len(values) == 1, f"{name}: {values}"
        return str(values[0])

    def problem(self, status: int, slug: str) -> dict[str, Any]:
        """The problem document, which must be of this status and kind."""
        assert (self.status, self.slug) == (status, slug), (self.status, self.body)
        found: dict[str, Any] = self.json()
        assert found["status"] == status
        assert found["title"]
        assert found["detail"]
        return found

    @property
    def slug(self) -> str:
        """The kind of problem; empty when it is none."""
        # What stands in for a text file that is missing keeps the file's charset.
        media_type = self.headers.get("Content-Type", "").partition(";")[0]
        if not self.body or media_type != PROBLEM:
            return ""
        return str(self.json()["type"]).removeprefix("/problems/")


@dataclass(frozen=True)
class ApiClient:
    """Speaks to one Wharf with one token."""

    port: int
    token: str | None = None
    tenant: str = ""

    def using(self, token: str | None) -> ApiClient:
        """The same with another token, or without one."""
        return replace(self, token=token)

    def request(
        self,
        method: str,
        target: str,
        body: bytes | Iterable[bytes] | None = None,
        headers: Headers | None = None,
    ) -> Answer:
        """One request on a connection of its own; an iterable body goes out chunked."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)
        sent = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            # The target goes out as it is; http.client checks only that it is one line.
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
        """GET."""
        return self.request("GET", target, headers=headers)

    def put(
        self,
        key: str,
        content: bytes | Iterable[bytes] = SMALL,
        headers: Headers | None = None,
        bucket: str = "default",
    ) -> Answer:
        """PUT of a file; the key is percent-encoded already."""
        return self.request("PUT", f"/v1/files/{bucket}/{key}", content, headers)

    def stored(
        self,
        key: str,
        content: bytes = SMALL,
        headers: Headers | None = None,
        bucket: str = "default",
    ) -> dict[str, Any]:
        """PUT that must succeed; the file's JSON."""
        answer = self.put(key, content, headers, bucket)
        assert answer.status == 201, answer.body
        document: dict[str, Any] = answer.json()
        return document

    def file(self, key: str, headers: Headers | None = None, bucket: str = "default") -> Answer:
        """GET of a file."""
        return self.get(f"/v1/files/{bucket}/{key}", headers)

    def delete(self, key: str, headers: Headers | None = None, bucket: str = "default") -> Answer:
        """DELETE of a file."""
        return self.request("DELETE", f"/v1/files/{bucket}/{key}", headers=headers)

    def post(self, *parts: Part, headers: Headers | None = None, bucket: str = "default") -> Answer:
        """POST of a form."""
        return self.post_body(multipart_body(*parts), headers, bucket)

    def post_body(
        self,
        body: bytes | Iterable[bytes],
        headers: Headers | None = None,
        bucket: str = "default",
    ) -> Answer:
        """POST of a form's bytes."""
        fields = {"Content-Type": CONTENT_TYPE, **(headers or {})}
        return self.request("POST", f"/v1/files/{bucket}", body, fields)

    def send_json(self, method: str, target: str, content: object) -> Answer:
        """A request with a JSON body."""
        fields = {"Content-Type": "application/json"}
        return self.request(method, target, json.dumps(content).encode(), fields)

    def listed(self, bucket: str = "default") -> list[str]:
        """All keys of a bucket (of one page)."""
        answer = self.get(f"/v1/files/{bucket}?limit=1000")
        assert answer.status == 200, answer.body
        return [file["key"] for file in answer.json()["files"]]

    def used(self) -> tuple[int, int]:
        """Bytes and files that count against the tenant."""
        answer = self.get("/v1/usage")
        assert answer.status == 200, answer.body
        usage = answer.json()
        return usage["bytes"], usage["files"]

    def login(self, client_id: str, secret: str, scope: str | None = None) -> Answer:
        """Asks auth for a token with HTTP Basic."""
        basic = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
        form = {"grant_type": "client_credentials", **({"scope": scope} if scope else {})}
        fields = {
            "Authorization": f"Basic {basic}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        return self.request("POST", "/auth/oauth/token", urlencode(form).encode(), fields)


def _check(answer: Answer) -> None:
    """What holds of every answer: one request id, and it is the problem document's."""
    request_id = answer.header("X-Request-Id")
    assert request_id
    if answer.slug:
        assert answer.json()["request_id"] == request_id
        assert answer.json()["status"] == answer.status
    # Row 28: nothing that is said shows where things lie on the disk.
    if answer.status >= 400:
        for place in (b"/tenants/", b"/spool/", b"/staging/", b"wharf-e2e-", b"Traceback"):
            assert place not in answer.body
