"""Signed links through the gateway (security.md rows 31, 39 to 48, 60, 67)."""

from __future__ import annotations

import hashlib
import os
from base64 import b64encode
from typing import Any
from urllib.parse import quote

import pytest

from tests.e2e.test_downloads import BYTES, HTML, PNG, SVG
from tests.e2e.test_logs import lines_of
from tests.servers.promised import LINK_KEY_SECONDS, RIGHTS_SECONDS, SHARED_SECONDS, holds
from tests.servers.wharf.api_client import LARGE, SMALL, Answer, ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.raw_http import exchange, head, until
from tests.servers.wharf.tenants import Signer, Tenants

POLYGLOTS = {
    "GIF+JS": b"GIF89a/*\x01\x00\x80\x00\x00*/=1;alert(document.domain)//\x00\x3b",
    "PDF+ZIP": b"%PDF-1.7\n%\xe2\xe3\n" + b"x" * 20_000 + b"PK\x03\x04\x14\x00",
    "PNG+ZIP": PNG + b"\x00" * 20_000 + b"PK\x03\x04\x14\x00",
    "JPEG+HTML": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + b"<script>alert(1)</script>" * 4,
    "PNG+HTML": PNG + b"\x00" * 300_000 + b"<html><script>alert(1)</script>",
}


def link(api: ApiClient, key: str | None = "file", **wanted: Any) -> str:
    """Make a link, and return its URL."""
    body = {"bucket": "default", **({"key": key} if key is not None else {}), **wanted}
    answer = api.send_json("POST", "/v1/links", body)
    assert answer.status == 201, answer.body
    return str(answer.json()["url"])


def told(answer: Answer) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Return a response without the parts that differ between any two responses."""
    document = answer.json()
    document.pop("request_id")
    kept = {name: value for name, value in answer.headers.items() if name != "X-Request-Id"}
    kept.pop("Date")
    return answer.status, document, kept


def gone(api: ApiClient, target: str, seconds: float = SHARED_SECONDS) -> bool:
    """Tell whether a link that was valid gets a 404 within so many seconds."""
    return holds(lambda: api.get(target).status == 404, seconds)


@pytest.fixture
def anyone(api: ApiClient) -> ApiClient:
    """Return a client without a credential."""
    return api.using(None)


@pytest.mark.parametrize("content", [b"", SMALL, LARGE, PNG, HTML])
def test_a_link(api: ApiClient, anyone: ApiClient, content: bytes) -> None:
    """Row 39: a link serves its file without a credential, with the fields of user content."""
    etag = api.stored("file", content)["etag"]
    target = link(api)
    for answer in (anyone.get(target), anyone.get(target), anyone.get(target, {"If-Match": etag})):
        assert (answer.status, answer.body) == (200, content)
        assert answer.header("ETag") == etag
        digest = b64encode(hashlib.sha256(content).digest()).decode()
        assert answer.header("Repr-Digest") == f"sha-256=:{digest}:"
        assert answer.header("Content-Security-Policy") == "sandbox; default-src 'none'"
        assert answer.header("X-Content-Type-Options") == "nosniff"
        assert answer.header("Cross-Origin-Resource-Policy") == "same-origin"
        assert answer.header("Cache-Control") == "private, no-cache"
        assert answer.header("Referrer-Policy") == "no-referrer"
        assert answer.header("Content-Type") == api.file("file").header("Content-Type")
        assert answer.headers["Set-Cookie"] is None


def test_a_link_to_a_prefix(api: ApiClient, anyone: ApiClient) -> None:
    """A link to a prefix serves only the files below the prefix, in any spelling of the key."""
    for key in ("dir/a", "dir/sub/b c", "dir/é", "dirt", "other/a"):
        api.stored(quote(key), key.encode())
    target = link(api, None, prefix="dir")
    for below in ("a", "sub/b%20c", "%C3%A9", "e%CC%81"):
        assert anyone.get(target + below).status == 200
    assert anyone.get(target + "sub/b%20c").body == b"dir/sub/b c"
    climbing = ("../other/a", "..%2fother/a", "%2e%2e/other/a", "sub/../a", "/a", "./a", "", "sub/")
    for below in (*climbing, "absent", "a%00", "..%5ca", "a/"):
        (answer,) = exchange(
            anyone.port, head(f"GET {target}{below} HTTP/1.1", "Connection: close")
        )
        assert answer.status in (400, 404), below
    assert anyone.get(target[:-1] + "t").status == 404
    whole = link(api, None, prefix="")
    assert anyone.get(whole + "other/a").body == b"other/a"


def test_a_link_shows_what_is_there_now(api: ApiClient, anyone: ApiClient) -> None:
    """A link names a key: a replaced file appears within 2 s, even to clients with the old tag."""
    old = api.stored("file", b"old!")["etag"]
    target = link(api)
    assert anyone.get(target).body == b"old!"
    api.stored("file", b"new!")
    assert holds(lambda: anyone.get(target, {"If-None-Match": old}).body == b"new!", SHARED_SECONDS)


def test_conditions(api: ApiClient, anyone: ApiClient) -> None:
    """Wharf checks conditions on a link against the file's own tag; a 304 has no Content-Length."""
    etag = api.stored("file", BYTES)["etag"]
    target = link(api)
    modified = anyone.get(target).header("Last-Modified")
    for field, value, status in (
        ("If-None-Match", etag, 304),
        ("If-None-Match", f"W/{etag}", 304),
        ("If-None-Match", f'"x", {etag}', 304),
        ("If-None-Match", f'{etag}, "x"', 304),
        ("If-None-Match", "*", 304),
        ("If-None-Match", '"x"', 200),
        ("If-None-Match", etag[:-1], 200),
        ("If-None-Match", f'"{etag[2:]}', 200),
        ("If-Modified-Since", modified, 304),
        ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT", 200),
        ("If-Match", etag, 200),
        ("If-Match", "*", 200),
        ("If-Match", '"x"', 412),
        ("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:37 GMT", 412),
    ):
        answer = anyone.get(target, {field: value})
        assert (field, value, answer.status) == (field, value, status)
        if status == 304:
            assert (answer.body, answer.headers["Content-Length"]) == (b"", None)
            assert answer.header("Cache-Control") == "private, no-cache"
        if field != "If-Modified-Since":
            assert answer.header("ETag") == etag


def test_ranges(api: ApiClient, anyone: ApiClient) -> None:
    """Row 46: a link supports one range, several ranges, ranges past the end, and If-Range.

    A request with too many ranges gets the whole file.
    """
    etag = api.stored("file", BYTES)["etag"]
    target = link(api)
    answer = anyone.get(target, {"Range": "bytes=10-19"})
    assert (answer.status, answer.body) == (206, BYTES[10:20])
    assert answer.headers["Repr-Digest"] is None
    assert anyone.get(target, {"Range": "bytes=0-4,100-104"}).status == 206
    many = ",".join(f"{2 * number}-{2 * number}" for number in range(1000))
    assert anyone.get(target, {"Range": f"bytes={many}"}).body == BYTES
    past = anyone.get(target, {"Range": "bytes=256000-"})
    past.problem(416, "range-not-satisfiable")
    assert past.header("Content-Range") == f"bytes */{len(BYTES)}"
    assert (past.headers["ETag"], past.headers["Last-Modified"]) == (None, None)
    assert anyone.get(target, {"Range": "bytes=0-9", "If-Range": etag}).body == BYTES[:10]
    assert anyone.get(target, {"Range": "bytes=0-9", "If-Range": '"x"'}).body == BYTES


def test_head(api: ApiClient, anyone: ApiClient) -> None:
    """HEAD of a link returns the fields of GET and no body."""
    api.stored("file", BYTES)
    target = link(api)
    got, headed = anyone.get(target), anyone.request("HEAD", target)
    assert (headed.status, headed.body) == (200, b"")
    for name in ("Content-Length", "Content-Type", "ETag", "Last-Modified", "Content-Disposition"):
        assert headed.headers[name] == got.headers[name]
    assert anyone.request("HEAD", target + "x").status == 404


def test_dispositions(api: ApiClient, anyone: ApiClient) -> None:
    """Rows 40, 41: a link sets name and disposition; its reader can only ask for an attachment."""
    api.stored("file", PNG)
    cases: list[tuple[dict[str, str], str, str]] = [
        ({}, "", 'inline; filename="file"'),
        ({"filename": "a b.png"}, "", 'inline; filename="a b.png"'),
        ({"disposition": "attachment"}, "", 'attachment; filename="file"'),
        ({"disposition": "attachment"}, "?download=c.png", 'attachment; filename="c.png"'),
        ({}, "?x=1&download=c.png", 'attachment; filename="c.png"'),
        ({"filename": "a.png"}, "?download=", 'attachment; filename="file"'),
        ({"disposition": "attachment"}, "?disposition=inline", 'attachment; filename="file"'),
    ]
    for wanted, query, field in cases:
        answer = anyone.get(link(api, **wanted) + query)
        assert (wanted, query, answer.header("Content-Disposition")) == (wanted, query, field)
    named = link(api, filename='日本"語.png')
    field = anyone.get(named).header("Content-Disposition")
    assert field.isascii()
    assert "filename*=UTF-8''%E6%97%A5%E6%9C%AC" in field


@pytest.mark.parametrize("name", ["x%0d%0aSet-Cookie:%20a=b", "x%00y", "%e2%80%ae", "a/..", "%ff"])
def test_download_names_inject_nothing(api: ApiClient, anyone: ApiClient, name: str) -> None:
    """Row 40: no name in `?download=` of a link can add a header field."""
    api.stored("file")
    answer = anyone.get(f"{link(api)}?download={name}")
    assert answer.status in (200, 400, 404, 503)
    assert answer.headers["Set-Cookie"] is None


@pytest.mark.parametrize("content", [HTML, SVG, *POLYGLOTS.values()], ids=str)
@pytest.mark.parametrize("way", ["put", "form"])
def test_what_could_act_is_never_shown(api: ApiClient, content: bytes, way: str) -> None:
    """Rows 29, 31, 41: pages and polyglots are attachments by token, link and in public buckets."""
    from tests.servers.wharf.multipart_body import file_part

    api.send_json("PUT", "/v1/buckets/default", {"public": True})
    if way == "put":
        api.stored("file", content, {"Content-Type": "image/png"})
    else:
        assert api.post(file_part("file", content)).status == 201
    anyone = api.using(None)
    for answer in (
        api.file("file"),
        anyone.get(link(api, disposition="inline")),
        anyone.get(f"/public/{api.tenant}/default/file"),
    ):
        assert (answer.status, answer.body) == (200, content)
        assert answer.header("Content-Disposition").startswith("attachment")
        assert answer.header("X-Content-Type-Options") == "nosniff"
        assert "sandbox" in answer.header("Content-Security-Policy")


def test_all_bad_links_are_alike(api: ApiClient, anyone: ApiClient, signer: Signer) -> None:
    """Row 67: every invalid link gets exactly the same 404 as a link that never existed."""
    api.stored("file")
    api.stored("deleted")
    api.stored("moved")
    good, deleted, moved = (link(api, key) for key in ("file", "deleted", "moved"))
    api.delete("deleted")
    api.send_json("PATCH", "/v1/metadata/default/moved", {"key": "elsewhere"})
    short = link(api, expires_in=1)
    assert gone(anyone, short, 1)
    token = good.removeprefix("/s/")
    flipped = token[:10] + ("A" if token[10] != "A" else "B") + token[11:]
    absent = told(anyone.get("/s/absent"))
    assert absent[0] == 404
    for target in (
        deleted,
        moved,
        short,
        f"/s/{flipped}",
        f"/s/{token}=",
        f"/s/{token}/",
        f"/s/{token}/file",
        "/s/",
        "/s/a/b/c",
        f"/s/{'A' * 5000}",
        f"/s/{signer.token(tid=api.tenant)}",
        f"/public/{api.tenant}/default/file",
        "/public/nobody/nothing/file",
        "/public/",
        "/public/../s",
    ):
        assert told(anyone.get(target)) == absent, target
        with_condition = anyone.get(target, {"If-Match": "*"})
        assert with_condition.status == 404
        assert with_condition.json()["detail"] == absent[1]["detail"]


def test_other_methods(api: ApiClient, anyone: ApiClient) -> None:
    """Rows 14, 67: every other method on a link gets a 405 that lists the allowed methods."""
    api.stored("file")
    for target in (link(api), "/s/absent", "/public/nobody/nothing/file"):
        for method in ("PUT", "POST", "DELETE", "PATCH", "PROPFIND"):
            answer = anyone.request(method, target)
            answer.problem(405, "method-not-allowed")
            assert answer.header("Allow") == "GET, HEAD, OPTIONS"


def test_a_link_is_of_one_tenant(api: ApiClient, signer: Signer) -> None:
    """Row 67: a client cannot make links to another tenant's files.

    A token in the request does not change the response of a link.
    """
    api.stored("file", b"mine")
    other = signer.client()
    body = {"bucket": "default", "key": "file"}
    other.send_json("POST", "/v1/links", body).problem(404, "not-found")
    other.stored("file", b"theirs")
    assert other.get(link(api)).body == b"mine"
    assert other.get(link(other)).body == b"theirs"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"bucket": "default"}, 422),
        ({"bucket": "default", "key": "file", "prefix": "x"}, 422),
        ({"bucket": "default", "key": "absent"}, 404),
        ({"bucket": "absent", "prefix": ""}, 404),
        ({"bucket": "default", "key": "file", "expires_in": 0}, 422),
        ({"bucket": "default", "key": "file", "expires_in": 10**9}, 422),
        ({"bucket": "default", "key": "file", "disposition": "page"}, 422),
        ({"bucket": "default", "key": "../file"}, 400),
        ({"bucket": "default", "prefix": "a//b"}, 400),
        ({"bucket": "default", "prefix": "", "filename": "x"}, 422),
        ({"bucket": "default", "key": "file", "filename": ".."}, 400),
        ({"bucket": "default", "key": "file", "tenant": "other"}, 422),
    ],
)
def test_wrong_wishes(api: ApiClient, body: dict[str, Any], status: int) -> None:
    """A request for an invalid link gets a problem that explains the error."""
    api.stored("file")
    answer = api.send_json("POST", "/v1/links", body)
    assert answer.status == status, answer.body
    assert len(answer.json()["detail"]) > 10


def test_scopes(signer: Signer) -> None:
    """Making links needs files:read, and rotating the link key needs buckets:admin.

    A ticket cannot make links.
    """
    writer, reader = signer.client(scope="files:write"), signer.client(scope="files:read")
    body = {"bucket": "default", "prefix": ""}
    writer.send_json("POST", "/v1/links", body).problem(403, "insufficient-scope")
    assert reader.send_json("POST", "/v1/links", body).status == 201
    reader.request("POST", "/v1/links/rotate").problem(403, "insufficient-scope")
    ticket = signer.client(ticket={"bucket": "default", "prefix": ""})
    ticket.send_json("POST", "/v1/links", body).problem(403, "insufficient-scope")


def test_a_deleted_file(api: ApiClient, anyone: ApiClient) -> None:
    """Row 47: a deleted file's link gets a 404 within 2 s, even for clients that have the file."""
    etag = api.stored("file")["etag"]
    target = link(api)
    assert anyone.get(target).status == 200
    api.delete("file")
    assert gone(anyone, target)
    for fields in ({"If-None-Match": etag}, {"Range": "bytes=0-1"}, {"If-Match": etag}):
        anyone.get(target, fields).problem(404, "not-found")


def test_rotation(api: ApiClient, anyone: ApiClient, signer: Signer) -> None:
    """Rotating the link key ends all links of the tenant within 4 s, not those of other tenants."""
    other = signer.client()
    for client in (api, other):
        client.stored("file")
    old, kept = [link(api), link(api, None, prefix="")], link(other)
    assert anyone.get(old[0]).status == anyone.get(old[1] + "file").status == 200
    assert api.request("POST", "/v1/links/rotate").status == 204
    assert holds(
        lambda: all(anyone.get(one).status == 404 for one in (old[0], old[1] + "file")),
        LINK_KEY_SECONDS,
    )
    assert anyone.get(kept).status == 200
    assert until(lambda: anyone.get(link(api)).status == 200)


def test_a_suspended_tenant(tenants: Tenants) -> None:
    """Row 60: at most 5 s after a suspension, links and public files get a 404.

    After the resume the links and the public files work again.
    """
    api = tenants.tenant()
    anyone = api.using(None)
    api.stored("file")
    api.send_json("PUT", "/v1/buckets/shown", {"public": True})
    api.stored("file", bucket="shown")
    targets = (link(api), f"/public/{api.tenant}/shown/file")
    for target in targets:
        assert anyone.get(target).status == 200
    suspend = tenants.admin.request("POST", f"/auth/v1/tenants/{api.tenant}/suspend")
    assert suspend.status == 204
    for target in targets:
        assert gone(anyone, target, RIGHTS_SECONDS)
        assert told(anyone.get(target)) == told(anyone.get("/s/absent"))
        anyone.get(target, {"If-Match": "*"}).problem(404, "not-found")
    assert tenants.admin.request("POST", f"/auth/v1/tenants/{api.tenant}/resume").status == 204
    for target in targets:
        assert until(lambda target=target: anyone.get(target).status == 200)


def test_links_are_masked(wharf: Wharf, api: ApiClient, anyone: ApiClient) -> None:
    """Row 3: no log contains a link, in any spelling that a client requests."""
    api.stored("file")
    token = link(api).removeprefix("/s/")
    for number, target in enumerate(
        (f"/s/{token}", f"//s/{token}", f"/%73/{token}", f"/x/../s/{token}", f"/s/{token}/x?y=1")
    ):
        for fields in ({}, {"If-Match": "*"}):
            mark = f"masked-link-{number}-{len(fields)}-{api.tenant}"
            anyone.get(target, {**fields, "X-Request-Id": mark})
            assert "(masked)" in lines_of(wharf, "access", mark)[0]["path"]
    for name in ("access", "upload", "nginx"):
        assert token not in wharf.log(name)


SHARED_INTERNAL = [
    "/_share",
    "/_shared/",
    "/_shared",
    "/_unchanged",
    "/_cors",
    "/s/../_shared/",
    "/public/../_shared/",
    "/s/%2e%2e/_shared/",
    "/%5fshared/",
]


@pytest.mark.parametrize("address", SHARED_INTERNAL)
def test_internal_addresses(wharf: Wharf, api: ApiClient, address: str) -> None:
    """Rows 42 to 44, 48: clients cannot request the gateway's internal addresses for links."""
    api.stored("file", SMALL)
    folder = wharf.data / "tenants"
    (blob,) = (path for path in (folder / api.tenant).rglob("*") if path.is_file())
    relative = str(blob.relative_to(folder))
    for suffix in ("", relative, f"{relative}.text-plain", "../upload/upload.db", "%00"):
        (answer,) = exchange(
            wharf.port, head(f"GET {address}{suffix} HTTP/1.1", "Connection: close")
        )
        assert answer.status in (400, 404), (address, suffix, answer)
        assert SMALL not in answer.body


def test_a_planted_link_is_not_followed(wharf: Wharf, api: ApiClient, anyone: ApiClient) -> None:
    """Row 45: a symbolic link in place of a blob gets a 404 when a client uses a signed link."""
    api.stored("file", SMALL)
    target = link(api)
    folder = wharf.data / "tenants" / api.tenant
    (blob,) = (path for path in folder.rglob("*") if path.is_file())
    secret = wharf.data / f"secret-{api.tenant}"
    os.rename(blob, secret)
    blob.symlink_to(secret)
    anyone.get(target).problem(404, "not-found")
    anyone.get(target, {"If-Match": "*"}).problem(404, "not-found")


def test_repeated_requests_need_no_python(wharf: Wharf, api: ApiClient, anyone: ApiClient) -> None:
    """Of a hundred requests for one link within a moment fewer than 30 reach the application."""
    api.stored("file")
    target = link(api)
    mark = f"repeated-{api.tenant}"
    for _ in range(100):
        assert anyone.get(target, {"X-Request-Id": mark}).status == 200

    def asked() -> int:
        return sum(line.get("request_id") == mark for line in wharf.log_lines("upload"))

    assert until(lambda: asked() > 0)
    assert asked() < 30
