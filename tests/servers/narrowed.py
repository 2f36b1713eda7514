"""Callers that reach only some places, and changes of the reach in the feed,
for tests of `upload`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from werkzeug.test import TestResponse

from servicekit.grants import Compact
from servicekit.grants_claim import CLAIM, GrantsClaim, GroupPart
from servicekit.reaches import ReachChange
from servicekit.revocations import Feed, Revocation
from tests.servers.granted import SCOPES, compact
from tests.servers.upload import UploadService


@dataclass(frozen=True)
class Caller:
    """A caller whose tokens have the claim `grants`. `groups` has one part of the claim
    for each group of the caller.
    """

    upload: UploadService
    own: Compact = ()
    groups: tuple[GroupPart, ...] = ()
    subject: str = "client-7"
    username: str = ""
    scopes: str = SCOPES
    version: int = 1

    @property
    def headers(self) -> dict[str, str]:
        """Return the header field with a new token."""
        claim = GrantsClaim(self.version, self.own, self.scopes, self.username, self.groups)
        token = self.upload.issuer.token(
            sub=self.subject, scope=self.scopes, **{CLAIM: msgspec.to_builtins(claim)}
        )
        return {"Authorization": f"Bearer {token}"}

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> TestResponse:
        """Send one request with a body in JSON."""
        sent = b"" if body is None else json.dumps(body).encode()
        fields = {"Content-Type": "application/json"} if sent else {}
        return self.upload.request(
            method, path, sent, {**self.headers, **fields, **(headers or {})}
        )

    def slug(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """Send a request and return the kind of its problem (`outside-grants`) or its status."""
        reply = self.ask(method, path, body, headers)
        return slug(reply)


def slug(reply: TestResponse) -> str:
    """Return the kind of a problem, or the status of a response that is no problem."""
    if reply.mimetype != "application/problem+json":
        return str(reply.status_code)
    return str(json.loads(reply.data)["type"]).removeprefix("/problems/")


def narrowed(upload: UploadService, *grants: str, **more: Any) -> Caller:
    """Return a caller with own grants in the form of the command line."""
    return Caller(upload, compact(*grants), **more)


def seen(reply: TestResponse) -> tuple[int, dict[str, str], object]:
    """Return status, header fields and body of a response, without its request id."""
    headers = {name: value for name, value in reply.headers if name != "X-Request-Id"}
    body = json.loads(reply.data or b"{}")
    body.pop("request_id", None)
    return reply.status_code, headers, body


def tell(upload: UploadService, kind: str, name: str, change: ReachChange) -> None:
    """Write an entry to the file of revocations. The service reads it before its next request."""
    entry = Revocation(seq=1, kind=kind, tenant=upload.tenant, id=name, reach=change)
    file = upload.settings.revocation_file
    file.parent.mkdir(exist_ok=True)
    with file.open("ab") as stream:
        stream.write(msgspec.json.encode(Feed(entries=(entry,), latest=1)) + b"\n")
    upload.context.access.revocations._polled_at = -math.inf
