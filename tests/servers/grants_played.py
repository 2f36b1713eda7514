"""Callers with grants, whichever way they come: nginx and the stream server are played.

Grants stand in the token, or the feed tells of them (`Feed`). Requests go to the process that nginx
would send them to: `ask` plays admission, spooling and streaming.
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

ALL_SCOPES = "files:read files:write files:delete buckets:admin events:read"
TUS = {"Tus-Resumable": "1.0.0"}
OCTETS = "application/offset+octet-stream"
_STREAMED = re.compile(r"/v1/uploads(/.*)?\Z|/u/[^/]+/uploads/[0-9a-f]{32}\Z")


def grant(bucket: str, prefix: str, letters: str = "rwdl") -> CompactGrant:
    """One grant, as tokens have it."""
    return CompactGrant(bucket, prefix, letters)


def claim(
    own: Iterable[CompactGrant],
    *,
    version: int = 1,
    scopes: str = ALL_SCOPES,
    groups: Iterable[GroupPart] = (),
) -> dict[str, Any]:
    """The claim `grants` of a token."""
    made = GrantsClaim(version, tuple(own), scopes, "", tuple(groups))
    found: dict[str, Any] = msgspec.to_builtins(made)
    return found


def metadata_of(**names: str) -> dict[str, str]:
    """The field `Upload-Metadata`."""
    pairs = (f"{name} {b64encode(text.encode()).decode()}" for name, text in names.items())
    return {"Upload-Metadata": ",".join(pairs)}


@dataclass(frozen=True)
class Told:
    """An answer, as the client gets it."""

    status: int
    headers: Headers
    body: bytes

    @property
    def slug(self) -> str:
        """The kind of problem; empty when it is none."""
        if b'"type"' not in self.body or self.status < 400:
            return ""
        return str(msgspec.json.decode(self.body)["type"]).rpartition("/")[2]

    def json(self) -> Any:
        """The document."""
        return msgspec.json.decode(self.body)


@dataclass
class Feed:
    """Tells the service what `auth` would publish; each word is newer than any token."""

    service: UploadService
    seq: int = 0

    def say(self, kind: str, name: str, change: ReachChange) -> None:
        """Add one entry, and let the service hear it at once."""
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
        """Own grants, scopes or memberships have changed."""
        change = ReachChange(1000 + self.seq, own, scopes, "", tuple(groups))
        self.say("reach", subject, change)

    def group(self, name: str, granted: Compact, scopes: str = "") -> None:
        """A group has changed."""
        self.say("group", name, ReachChange(1000 + self.seq, granted, scopes))


@dataclass
class Caller:
    """Somebody with a token, who asks the service in every way there is."""

    service: UploadService
    token: str
    #: What happens while a body is on its way: behind its admission, before its end.
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
        """One request; `spooled`: its body is large, so that nginx asks for admission first."""
        fields = dict(headers or {})
        if self.token and not path.startswith(("/u/", "/s/", "/public/")):
            fields["Authorization"] = f"Bearer {self.token}"
        part = method == "PUT" and "Upload-Complete" in fields
        streamed = part or (
            bool(_STREAMED.match(path)) and (method, path) != ("GET", "/v1/uploads")
        )
        form = method == "POST" and not streamed and not path.startswith(("/v1/copies", "/v1/li"))
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
    """What the stream server does with a body that comes whole."""
    body, error = incoming.body, None
    os.pwrite(body.descriptor, content, body.offset)
    if body.check is not None and len(content) >= (body.check_at or 0):
        try:
            body.check()
        except Exception as found:  # noqa: BLE001 -- it is handed on
            error = found
    meanwhile()
    return body.finish(error is None, error)


def of_everything(service: UploadService, subject: str = "owner") -> Caller:
    """Somebody who has no list of grants."""
    return Caller(service, service.issuer.token(tid=service.tenant, sub=subject, scope=ALL_SCOPES))


def of_grants(
    service: UploadService,
    own: Iterable[CompactGrant],
    *,
    subject: str = "limited",
    scopes: str = ALL_SCOPES,
    **changes: Any,
) -> Caller:
    """Somebody whose token has these grants."""
    token = service.issuer.token(
        tid=service.tenant, sub=subject, scope=scopes, grants=claim(own), **changes
    )
    return Caller(service, token)


def ticket_of(service: UploadService, own: Iterable[CompactGrant] | None, rules: Ticket) -> str:
    """The address of a ticket that somebody with these grants has made."""
    grants = {} if own is None else {"grants": claim(own)}
    ticket = msgspec.to_builtins(rules)
    token = service.issuer.token(
        tid=service.tenant, sub="limited", scope="files:write", ticket=ticket, **grants
    )
    return f"/u/{token}"


def kept(service: UploadService) -> list[tuple[Any, ...]]:
    """Everything that the service keeps of files, buckets, uploads and events."""
    reading, found = service.database.reading(), []
    for name in ("files", "buckets", "uploads", "events", "usage"):
        rows = reading.rows(f"SELECT * FROM {name}")
        found += [(name, *row) for row in sorted(rows, key=repr)]
    return found
