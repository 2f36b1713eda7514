"""Callers with grants, in all kinds of requests, with stand-ins for nginx and the stream server.

Grants are in the token or come from the feed (`Feed`). `ask` sends each request to the process that
nginx would choose, and stands in for admission, spooling and streaming.
"""

from __future__ import annotations

import os
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import msgspec
from werkzeug.datastructures import Headers
from werkzeug.test import Client

from servicekit.grants import Compact, CompactGrant
from servicekit.grants_claim import GrantsClaim, GroupPart
from servicekit.reaches import ReachChange
from servicekit.revocations import Feed as Page
from servicekit.revocations import Revocation
from servicekit.tickets import Ticket
from tests.servers.upload import UploadService
from wharf_upload.http.long_work import LongWork
from wharf_upload.http.request import Request
from wharf_upload.routes.resumable import ROUTE, Incoming

ALL_SCOPES = "files:read files:write files:delete buckets:admin events:read webhooks:admin"
TUS = {"Tus-Resumable": "1.0.0"}
OCTETS = "application/offset+octet-stream"
_STREAMED = re.compile(r"/v1/uploads(/.*)?\Z|/u/[^/]+/uploads/[0-9a-f]{32}\Z")


def grant(bucket: str, prefix: str, letters: str = "rwdl") -> CompactGrant:
    """Return one grant in the form that tokens have."""
    return CompactGrant(bucket, prefix, letters)


def claim(
    own: Iterable[CompactGrant],
    *,
    version: int = 1,
    scopes: str = ALL_SCOPES,
    groups: Iterable[GroupPart] = (),
) -> dict[str, Any]:
    """Return the claim `grants` of a token."""
    made = GrantsClaim(version, tuple(own), scopes, "", tuple(groups))
    found: dict[str, Any] = msgspec.to_builtins(made)
    return found


def metadata_of(**names: str) -> dict[str, str]:
    """Return the field `Upload-Metadata`."""
    pairs = (f"{name} {b64encode(text.encode()).decode()}" for name, text in names.items())
    return {"Upload-Metadata": ",".join(pairs)}


@dataclass(frozen=True)
class Told:
    """A response as the client gets it."""

    status: int
    headers: Headers
    body: bytes

    @property
    def slug(self) -> str:
        """Return the kind of the problem, or an empty text for a response that is no problem."""
        if b'"type"' not in self.body or self.status < 400:
            return ""
        return str(msgspec.json.decode(self.body)["type"]).rpartition("/")[2]

    def json(self) -> Any:
        """Return the parsed document."""
        return msgspec.json.decode(self.body)


@dataclass
class Feed:
    """The feed that the service follows. The versions that `own` and `group` write are newer than
    the version in any token.
    """

    service: UploadService
    seq: int = 0

    def say(self, kind: str, name: str, change: ReachChange) -> None:
        """Add one entry, which the service reads before its next request."""
        self.seq += 1
        tenant = self.service.tenant
        entry = Revocation(
            seq=self.seq, kind=kind, tenant=tenant, id=name, state="changed", reach=change
        )
        path = self.service.settings.revocation_file
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab") as file:
            file.write(msgspec.json.encode(Page(entries=(entry,), latest=self.seq)) + b"\n")
        self.service.context.access.revocations._polled_at = float("-inf")

    def own(
        self, subject: str, own: Compact, scopes: str = ALL_SCOPES, groups: Iterable[str] = ()
    ) -> None:
        """Write an entry with the own grants, scopes and groups of a subject."""
        change = ReachChange(1000 + self.seq, own, scopes, "", tuple(groups))
        self.say("reach", subject, change)

    def group(self, name: str, granted: Compact, scopes: str = "") -> None:
        """Write an entry with the grants and scopes of a group."""
        self.say("group", name, ReachChange(1000 + self.seq, granted, scopes))


@dataclass
class Caller:
    """A caller with a token, for every kind of request to the service."""

    service: UploadService
    token: str
    #: Runs while a body is under way: after its admission and before its end.
    meanwhile: Callable[[], None] = lambda: None
    _spooled: list[int] = field(default_factory=lambda: [0], repr=False)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        spooled: bool = False,
    ) -> Told:
        """Send one request. `spooled` makes a small body take the way of a large one, for
        which nginx asks for admission first.
        """
        fields = dict(headers or {})
        if self.token and not path.startswith(("/u/", "/s/", "/public/")):
            fields["Authorization"] = f"Bearer {self.token}"
        part = method == "PUT" and "Upload-Complete" in fields
        streamed = part or (
            bool(_STREAMED.match(path)) and (method, path) != ("GET", "/v1/uploads")
        )
        form = (
            method == "POST"
            and not streamed
            and not path.startswith(("/v1/copies", "/v1/li", "/v1/webhooks"))
        )
        content, environ = body or b"", {}
        if body is not None and (streamed or spooled or form):
            step = {"WHARF_STEP": "admit", "WHARF_PART": "1" if part else ""}
            asked = self._wsgi(method, path, b"", fields, {**step, **_length(content)})
            if asked.status != 204:
                status = int(asked.headers["X-Denied-Status"])
                return Told(status, Headers(), asked.headers["X-Denied-Problem"].encode())
            environ = {"ADMISSION": asked.headers["X-Admission"]}
        if streamed:
            return self._streamed(method, path, content, fields, environ)
        if not environ:
            return self._wsgi(method, path, content, fields, _length(content))
        self._spooled[0] += 1
        spool = self.service.settings.spool_folder / f"granted-{id(self):x}-{self._spooled[0]}"
        spool.write_bytes(content)
        self.meanwhile()
        try:
            environ |= {"SPOOL_FILE": str(spool), **_length(content)}
            return self._wsgi(method, path, b"", fields, environ)
        finally:
            spool.unlink(missing_ok=True)

    def _wsgi(
        self,
        method: str,
        path: str,
        body: bytes,
        fields: Mapping[str, str],
        environ: Mapping[str, str],
    ) -> Told:
        reply = Client(self.service.app.wsgi).open(
            path,
            method=method,
            input_stream=BytesIO(body),
            headers=Headers(list(fields.items())),
            environ_overrides={**environ, "REQUEST_URI": path},
        )
        return Told(reply.status_code, reply.headers, reply.data)

    def _streamed(
        self,
        method: str,
        path: str,
        body: bytes,
        fields: Mapping[str, str],
        environ: Mapping[str, str],
    ) -> Told:
        plain, _, query = path.partition("?")
        variables = {f"HTTP_{name.upper().replace('-', '_')}": one for name, one in fields.items()}
        variables |= {"REQUEST_METHOD": method, "REQUEST_URI": path, "PATH_INFO": plain}
        variables |= {"QUERY_STRING": query, "CONTENT_TYPE": fields.get("Content-Type", "")}
        request = Request({**variables, **_length(body), **environ}, ROUTE)
        app = self.service.app
        try:
            found = app.resumable_routes(request)
            if isinstance(found, Incoming):
                found = found.answer(_poured(found, body, self.meanwhile))
            elif isinstance(found, LongWork):
                found = found.run()
        except Exception as error:  # noqa: BLE001 -- as the stream server does
            refused = app.answering.refuse(request, error)
            return Told(refused.status, Headers(refused.headers), refused.body)
        return Told(found.status, Headers(found.headers), found.body)


def _length(body: bytes) -> dict[str, str]:
    return {"CONTENT_LENGTH": str(len(body))}


def _poured(incoming: Incoming, content: bytes, meanwhile: Callable[[], None]) -> Any:
    """Write a complete body and finish it, as the stream server does."""
    body, error = incoming.body, None
    os.pwrite(body.descriptor, content, body.offset)
    if body.check is not None and len(content) >= (body.check_at or 0):
        try:
            body.check()
        except Exception as found:  # noqa: BLE001 -- passed to `finish`
            error = found
    meanwhile()
    return body.finish(error is None, error)


def of_everything(service: UploadService, subject: str = "owner") -> Caller:
    """Return a caller whose token has no claim `grants`, so the caller reaches everything."""
    return Caller(service, service.issuer.token(tid=service.tenant, sub=subject, scope=ALL_SCOPES))


def of_grants(
    service: UploadService,
    own: Iterable[CompactGrant],
    *,
    subject: str = "limited",
    scopes: str = ALL_SCOPES,
    **changes: Any,
) -> Caller:
    """Return a caller whose token has these grants."""
    token = service.issuer.token(
        tid=service.tenant, sub=subject, scope=scopes, grants=claim(own), **changes
    )
    return Caller(service, token)


def ticket_of(service: UploadService, own: Iterable[CompactGrant] | None, rules: Ticket) -> str:
    """Return the path of a ticket whose maker has these grants."""
    grants = {} if own is None else {"grants": claim(own)}
    ticket = msgspec.to_builtins(rules)
    token = service.issuer.token(
        tid=service.tenant, sub="limited", scope="files:write", ticket=ticket, **grants
    )
    return f"/u/{token}"


def kept(service: UploadService) -> list[tuple[Any, ...]]:
    """Return all rows of files, buckets, uploads, events and usage."""
    reading, found = service.database.reading(), []
    for name in ("files", "buckets", "uploads", "events", "usage"):
        rows = reading.rows(f"SELECT * FROM {name}")
        found += [(name, *row) for row in sorted(rows, key=repr)]
    return found
