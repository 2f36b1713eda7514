"""The requests of clients, for any spread of files."""

from __future__ import annotations

import base64
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlencode

import jwt

from loadtests.bench.servers import Wharf
from loadtests.scale.case import PAGE, Case, Place
from loadtests.scale.connection import Request
from loadtests.scale.operations import NO_ROOM
from loadtests.scale.rows import CONTENT
from loadtests.scale.spread import ARCHIVE, FLAT, HASHED, Tenant
from tests.servers.stores import local_store
from wharf_upload.domain.tenant_limits import Limits
from wharf_upload.storage.base import BlobName

_SCOPES = "files:read files:write files:delete buckets:admin"
_numbers: Iterator[int] = itertools.count()


@dataclass
class Client:
    """A client of one Wharf that uses the files of a case, and signs tokens for any tenant."""

    wharf: Wharf
    case: Case
    _tokens: dict[str, str] = field(default_factory=dict)

    def prepare(self) -> None:
        """Create the bytes of the hot files, and a tenant without free quota."""
        store = local_store(self.wharf.folder / "data", durable=False)
        for tenant, number in self.case.hot:
            file = self.case.records.file(tenant.name, tenant.bucket(number), tenant.key(number))
            assert file is not None, (tenant, number)
            store.put(BlobName(file.tenant, file.blob), CONTENT)
        self.case.records.put_limits(NO_ROOM, Limits(max_bytes=1))

    def token(self, tenant: str) -> str:
        """Return a token as auth signs it."""
        if tenant not in self._tokens:
            (path,) = (self.wharf.folder / "data/auth/keys").glob("*.pem")
            now = int(time.time())
            claims = {
                "iss": f"http://127.0.0.1:{self.wharf.port}/auth",
                "sub": "client-1",
                "aud": "upload",
                "tid": tenant,
                "scope": _SCOPES,
                "iat": now,
                "exp": now + 7200,
                "jti": f"scale-{tenant}",
            }
            header = {"typ": "at+jwt", "kid": path.stem}
            self._tokens[tenant] = jwt.encode(claims, Path(path).read_bytes(), "RS256", header)
        return self._tokens[tenant]

    def hot(self) -> Place:
        """Return the next one of the hot files."""
        return self.case.hot[next(_numbers) % len(self.case.hot)]

    def file(self, method: str, status: int, *, route: str = "files", new: str = "") -> Request:
        """Return a request for a hot file, or for a new file next to it."""
        tenant, number = self.hot()
        return self.to(method, status, tenant, number, route=route, new=new)

    def to(
        self,
        method: str,
        status: int,
        tenant: Tenant,
        number: int,
        *,
        route: str = "files",
        new: str = "",
    ) -> Request:
        """Return a request for a file of a tenant."""
        key = quote(tenant.key(number) + new)
        return Request(
            method,
            f"/v1/{route}/{tenant.bucket(number)}/{key}",
            self.token(tenant.name),
            status,
            CONTENT if method == "PUT" else b"",
        )

    def listing(self, style: str = ARCHIVE, after: str = "", **query: str) -> Request:
        """Return a request for a page of the largest tenant of a style."""
        if after:
            query["cursor"] = base64.urlsafe_b64encode(after.encode()).decode().rstrip("=")
        words = urlencode({**query, "limit": str(PAGE)})
        token = self.token(self.case.of_style(style).name)
        return Request("GET", f"/v1/files/default?{words}", token, 200)


def new_name() -> str:
    """Return a text that makes a key unique."""
    return f"~{next(_numbers):08}"


@dataclass(frozen=True)
class Kind:
    """A kind of request. The client first sends `before`, which is not measured."""

    title: str
    make: Callable[[Client], Request]
    before: Callable[[Client], Request] | None = None


def _usage(client: Client) -> Request:
    return Request("GET", "/v1/usage", client.token(client.hot()[0].name), 200)


@dataclass
class _Pair:
    """Two requests for one new file."""

    first: tuple[str, int]
    second: tuple[str, int]
    latest: tuple[Place, str] | None = None

    def before(self, client: Client) -> Request:
        self.latest = client.hot(), new_name()
        return self._to(client, *self.first)

    def make(self, client: Client) -> Request:
        return self._to(client, *self.second)

    def _to(self, client: Client, method: str, status: int) -> Request:
        assert self.latest
        (tenant, number), new = self.latest
        return client.to(method, status, tenant, number, new=new)


_deleting, _replacing = _Pair(("PUT", 201), ("DELETE", 204)), _Pair(("PUT", 201), ("PUT", 201))
KINDS = (
    Kind("GET 10 KiB", lambda client: client.file("GET", 200)),
    Kind("GET, not there", lambda client: client.file("GET", 404, new="~")),
    Kind("GET metadata", lambda client: client.file("GET", 200, route="metadata")),
    Kind("PUT 10 KiB, new", lambda client: client.file("PUT", 201, new=new_name())),
    Kind("PUT 10 KiB, replacing", _replacing.make, _replacing.before),
    Kind(
        "PUT refused by quota",
        lambda client: client.to("PUT", 507, Tenant(NO_ROOM, 1, FLAT), 0, new=new_name()),
    ),
    Kind("DELETE", _deleting.make, _deleting.before),
    Kind("list, start", lambda client: client.listing()),
    Kind("list, middle", lambda client: client.listing(after=client.case.archived(0.5))),
    Kind("list, end", lambda client: client.listing(after="summary")),
    Kind("list, prefix", lambda client: client.listing(prefix="summary ")),
    Kind(
        "list, delimiter, over a large folder",
        lambda client: client.listing(after="Report ~", delimiter="/"),
    ),
    Kind("list, delimiter, 100 folders", lambda client: client.listing(HASHED, delimiter="/")),
    Kind("usage", _usage),
)
