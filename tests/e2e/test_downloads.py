"""Downloads (security.md rows 39 to 48): fields, names, ranges, conditions, internal addresses."""

from __future__ import annotations

import base64
import hashlib
import os
from urllib.parse import quote, unquote

import pytest

from tests.servers.wharf.api_client import LARGE, SMALL, Answer, ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.raw_http import exchange, head

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
HTML = b"<!doctype html><html><script>alert(1)</script></html>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
BYTES = bytes(range(256)) * 1000


def check_security_fields(answer: Answer) -> None:
    """Check the header fields that row 39 of docs/security.md requires, each exactly once."""
    policy = answer.header("Content-Security-Policy").split("; ")
    assert {"sandbox", "default-src 'none'"} <= set(policy)
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert answer.header("Cross-Origin-Resource-Policy") == "same-origin"
    assert answer.header("Cache-Control") == "private, no-cache"
    assert answer.header("Referrer-Policy") == "no-referrer"


@pytest.mark.parametrize("content", [b"", SMALL, LARGE, HTML, PNG])
def test_security_fields(api: ApiClient, content: bytes) -> None:
    """Row 39: every response with a file's bytes, whole, partial or empty, has the safe fields."""
    etag = api.stored("file", content)["etag"]
    fields: list[dict[str, str]] = [{}, {"If-Match": etag}]
    if content:
        fields.append({"Range": "bytes=0-0"})
    for headers in fields:
        answer = api.file("file", headers)
        assert answer.status in (200, 206)
        check_security_fields(answer)
        assert answer.header("ETag") == etag
        # The digest covers the whole file, so a partial response has no digest.
        digest = f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"
        assert answer.headers["Repr-Digest"] == (digest if answer.status == 200 else None)


NAMES = [
    'a"b.txt',
    "日本 語.txt",
    "100%.txt",
    "a;b.txt",
    "ünï.txt",
    "🦊",
    "a%0d%0ab.txt",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_in_the_disposition(api: ApiClient, name: str) -> None:
    """Row 40: a downloaded file's name is sent as one line of ASCII that decodes to the name."""
    api.stored(quote(name))
    for target in (
        quote(name),
        f"{quote(name)}?download=",
        f"{quote(name)}?download={quote(name)}",
    ):
        field = api.file(target).header("Content-Disposition")
        assert field.isascii()
        kind, _, rest = field.partition("; ")
        assert kind == ("attachment" if "?" in target else "inline")
        plain, _, extended = rest.partition("; ")
        assert plain.startswith('filename="')
        assert plain.endswith('"')
        assert '"' not in plain[10:-1]
        if extended:
            shown = unquote(extended.removeprefix("filename*=UTF-8''"))
            assert shown == name
        else:
            assert plain[10:-1] == name


@pytest.mark.parametrize("name", ["x%0d%0aSet-Cookie:%20a=b", "x%00y", "%e2%80%ae", "a/..", ""])
def test_download_names_inject_nothing(api: ApiClient, name: str) -> None:
    """Row 40: a bad name in `?download=` is refused or cleaned, and adds no header field."""
    api.stored("file")
    answer = api.file(f"file?download={name}")
    assert answer.status in (200, 400)
    assert answer.headers["Set-Cookie"] is None
    if answer.status == 200:
        assert answer.header("Content-Disposition").startswith("attachment; ")


@pytest.mark.parametrize(
    ("content", "kind"),
    [(PNG, "inline"), (b"plain text", "inline"), (HTML, "attachment"), (SVG, "attachment"),
     (b"%PDF-1.7\n%\xe2\xe3", "attachment"),     (b"\x00\x01", "attachment")],
)  # fmt: skip
def test_only_inert_types_are_shown(api: ApiClient, content: bytes, kind: str) -> None:
    """Rows 29, 41: a file is shown inline only if its bytes, not its declared type, are inert."""
    api.stored("file", content, {"Content-Type": "image/png"})
    answer = api.file("file")
    assert answer.header("Content-Disposition").startswith(kind)
    if content in (HTML, SVG):
        assert answer.header("Content-Type") != "image/png"


INTERNAL = [
    "/_blobs/",
    "/_blobs",
    "/_blobs../",
    "/_blobs_matched/",
    "/_blobs_matched../",
    "/_spool",
    "/_direct",
    "/_admit",
    "/@denied",
    "/_problem_400",
    "//_blobs/",
    "/v1/../_blobs/",
    "/%5fblobs/",
    "/_blobs/%2e%2e/",
]


@pytest.mark.parametrize("address", INTERNAL)
def test_internal_addresses(wharf: Wharf, api: ApiClient, address: str) -> None:
    """Rows 42 to 44, 48: no client can request an internal address, in any spelling."""
    api.stored("file", SMALL)
    folder = wharf.data / "tenants"
    (blob,) = (path for path in (folder / api.tenant).rglob("*") if path.is_file())
    relative = str(blob.relative_to(folder))
    fields = (f"Authorization: Bearer {api.token}", "Content-Length: 0", "Connection: close")
    for suffix in ("", relative, f"{api.tenant}/", "../upload/upload.db", "%00", "..%2fupload"):
        for method in ("GET", "PUT"):
            fields = (
                f"Authorization: Bearer {api.token}",
                "Content-Length: 0",
                "Connection: close",
            )
            (answer,) = exchange(wharf.port, head(f"{method} {address}{suffix} HTTP/1.1", *fields))
            assert answer.status in (400, 404, 405), (address, suffix, answer)
            assert answer.slug
            assert SMALL not in answer.body


def test_a_planted_link_is_not_followed(wharf: Wharf, api: ApiClient) -> None:
    """Row 45: a symbolic link in place of a blob or of its folder gets a 404."""
    api.stored("file", SMALL)
    folder = wharf.data / "tenants" / api.tenant
    (blob,) = (path for path in folder.rglob("*") if path.is_file())
    secret = wharf.data / "secret"
    secret.write_bytes(SMALL)
    blob.unlink()
    blob.symlink_to(secret)
    for fields in ({}, {"If-Match": "*"}):
        api.file("file", fields).problem(404, "not-found")
    blob.unlink()
    moved = wharf.data / f"moved-{api.tenant}"
    os.rename(blob.parent, moved)
    (moved / blob.name).write_bytes(SMALL)
    blob.parent.symlink_to(moved)
    for fields in ({}, {"If-Match": "*"}):
        api.file("file", fields).problem(404, "not-found")


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [("0-0", 0, 1), ("10-19", 10, 20), ("255900-", 255_900, 256_000), ("-5", 255_995, 256_000),
     ("0-999999999", 0, 256_000), ("-999999999", 0, 256_000)],
)  # fmt: skip
def test_a_range(api: ApiClient, wanted: str, start: int, end: int) -> None:
    """A response to a range has exactly the requested bytes and states their positions."""
    api.stored("file", BYTES)
    answer = api.file("file", {"Range": f"bytes={wanted}"})
    assert (answer.status, answer.body) == (206, BYTES[start:end])
    assert answer.header("Content-Range") == f"bytes {start}-{end - 1}/{len(BYTES)}"


def test_several_ranges(api: ApiClient) -> None:
    """A response to several ranges is multipart/byteranges with the bytes of each range."""
    api.stored("file", BYTES)
    answer = api.file("file", {"Range": "bytes=0-4,100-104"})
    assert answer.status == 206
    assert answer.header("Content-Type").startswith("multipart/byteranges")
    assert BYTES[0:5] in answer.body
    assert BYTES[100:105] in answer.body


@pytest.mark.parametrize("ranges", [17, 1000])
def test_many_ranges(api: ApiClient, ranges: int) -> None:
    """Row 46: a request with more than 16 ranges gets the whole file once, not piece by piece."""
    api.stored("file", BYTES)
    wanted = ",".join(f"{number * 2}-{number * 2}" for number in range(ranges))
    answer = api.file("file", {"Range": f"bytes={wanted}"})
    assert (answer.status, answer.body) == (200, BYTES)


@pytest.mark.parametrize("wanted", ["256000-", "999999999999-", "256000-256001"])
def test_a_range_past_the_end(api: ApiClient, wanted: str) -> None:
    """Row 46: a range past the end gets a 416 problem that states the file's length."""
    api.stored("file", BYTES)
    answer = api.file("file", {"Range": f"bytes={wanted}"})
    answer.problem(416, "range-not-satisfiable")
    assert answer.header("Content-Range") == f"bytes */{len(BYTES)}"
    assert (answer.headers["ETag"], answer.headers["Last-Modified"]) == (None, None)


def test_if_range(api: ApiClient) -> None:
    """`If-Range` with the file's tag or date gets the range, and any other gets the whole file."""
    document = api.stored("file", BYTES)
    modified = api.file("file").header("Last-Modified")
    cases = {document["etag"]: 206, modified: 206, '"other"': 200, f"W/{document['etag']}": 200}
    for validator, status in cases.items():
        answer = api.file("file", {"Range": "bytes=0-9", "If-Range": validator})
        assert (validator, answer.status) == (validator, status)
        assert answer.body == (BYTES[:10] if status == 206 else BYTES)


def test_not_modified(api: ApiClient) -> None:
    """A client that already has the file gets a 304 with the tag and without a body."""
    etag = api.stored("file", BYTES)["etag"]
    modified = api.file("file").header("Last-Modified")
    for field, value in (
        ("If-None-Match", etag),
        ("If-None-Match", f'W/{etag}, "x"'),
        ("If-None-Match", "*"),
        ("If-Modified-Since", modified),
    ):
        answer = api.file("file", {field: value})
        assert (answer.status, answer.body) == (304, b"")
        assert answer.header("ETag") == etag
        assert answer.header("Cache-Control") == "private, no-cache"
        assert answer.headers["Content-Type"] is None
    assert api.file("file", {"If-None-Match": '"other"'}).body == BYTES


def test_if_match_on_a_download(api: ApiClient) -> None:
    """`If-Match` with the file's own tag gets the file or its ranges; another tag gets a 412."""
    etag = api.stored("file", BYTES)["etag"]
    for value in (etag, "*", f'"x", {etag}'):
        answer = api.file("file", {"If-Match": value})
        assert (answer.status, answer.body) == (200, BYTES)
        partial = api.file("file", {"If-Match": value, "Range": "bytes=5-9"})
        assert (partial.status, partial.body) == (206, BYTES[5:10])
        check_security_fields(partial)
    past = api.file("file", {"If-Match": etag, "Range": "bytes=256000-"})
    past.problem(416, "range-not-satisfiable")
    assert past.header("Content-Range") == f"bytes */{len(BYTES)}"
    refused = api.file("file", {"If-Match": '"other"'})
    refused.problem(412, "precondition-failed")
    assert refused.header("ETag") == etag
    since = {"If-Unmodified-Since": "Sun, 06 Nov 1994 08:49:37 GMT"}
    api.file("file", since).problem(412, "precondition-failed")


@pytest.mark.parametrize("content", [b"small", BYTES], ids=["small", "large"])
def test_empty_conditions(api: ApiClient, content: bytes) -> None:
    """An empty `If-Match` or `If-None-Match` gets a 400, and Wharf ignores an empty date."""
    api.stored("file", content)
    for field in ("If-Match", "If-None-Match"):
        api.file("file", {field: ""}).problem(400, "malformed-request")
        api.put("file", b"other", {field: ""}).problem(400, "malformed-request")
    for field in ("If-Unmodified-Since", "If-Modified-Since"):
        answer = api.file("file", {field: ""})
        assert (answer.status, answer.body) == (200, content)


CONDITIONS = [
    {},
    {"If-Match": "*"},
    {"If-Match": "{etag}"},
    {"If-Unmodified-Since": "{modified}"},
    {"If-Unmodified-Since": "Fri, 31 Dec 2100 23:59:59 GMT"},
    {"If-None-Match": '"other"'},
    {"If-Modified-Since": "Sun, 06 Nov 1994 08:49:37 GMT"},
    {"If-Range": "{etag}"},
    {"If-Range": "{modified}"},
    {"If-Match": "{etag}", "If-Range": "{etag}"},
    {"If-Match": "*", "If-Range": "{modified}", "If-Unmodified-Since": "{modified}"},
]


@pytest.mark.parametrize("conditions", CONDITIONS, ids=str)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_ranges_with_conditions(api: ApiClient, method: str, conditions: dict[str, str]) -> None:
    """A fulfilled condition changes no response, with one range, several ranges or none."""
    etag = api.stored("text.txt", b"plain text\n" * 1000)["etag"]
    modified = api.file("text.txt").header("Last-Modified")
    fields = {
        name: value.replace("{etag}", etag).replace("{modified}", modified)
        for name, value in conditions.items()
    }
    target = "/v1/files/default/text.txt"
    several = {"Range": "bytes=0-0,9-9,-1"}
    for wanted in ({}, {"Range": "bytes=0-0"}, several):
        plain = api.request(method, target, headers=wanted)
        answer = api.request(method, target, headers={**wanted, **fields})
        assert comparable(answer) == comparable(plain)
    plain = api.request(method, target, headers=several)
    assert plain.status == 206
    assert plain.header("Content-Type").startswith("multipart/byteranges")
    if method == "GET":
        assert plain.body.count(b"Content-Type: text/plain; charset=utf-8\r\n") == 3


def comparable(answer: Answer) -> tuple[object, ...]:
    """Return the parts in which two equal responses agree, without multipart boundaries."""
    own = {"Date", "X-Request-Id", "Content-Type"}
    kind, _, boundary = answer.header("Content-Type").partition("; boundary=")
    body = answer.body.replace(boundary.encode(), b"boundary") if boundary else answer.body
    fields = sorted((k, v) for k, v in answer.headers.items() if k not in own)
    return answer.status, kind, fields, body


def test_if_range_with_a_condition(api: ApiClient) -> None:
    """An `If-Range` with another file's tag gets the whole file, even together with `If-Match`."""
    etag = api.stored("file", BYTES)["etag"]
    for validator in ('"other"', f"W/{etag}", "Sun, 06 Nov 1994 08:49:37 GMT"):
        fields = {"Range": "bytes=0-9", "If-Range": validator, "If-Match": etag}
        answer = api.file("file", fields)
        assert (answer.status, answer.body) == (200, BYTES)
        assert answer.header("ETag") == etag


def test_head_says_what_get_would(api: ApiClient) -> None:
    """HEAD returns the fields of GET, Content-Length included, and no body."""
    etag = api.stored("file", BYTES)["etag"]
    for fields in ({}, {"If-Match": etag}, {"If-None-Match": etag}):
        got = api.file("file", fields)
        headed = api.request("HEAD", "/v1/files/default/file", headers=fields)
        assert (headed.status, headed.body) == (got.status, b"")
        for name in ("Content-Length", "Content-Type", "ETag", "Last-Modified", "Accept-Ranges"):
            assert headed.headers[name] == got.headers[name], name
    assert api.request("HEAD", "/v1/files/default/absent").status == 404


def test_a_deleted_file_is_gone(api: ApiClient) -> None:
    """Row 47: a deleted file immediately gets a 404, even for a client with its tag."""
    etag = api.stored("file")["etag"]
    assert api.delete("file").status == 204
    for fields in ({}, {"If-None-Match": etag}, {"Range": "bytes=0-1"}, {"If-Match": etag}):
        api.file("file", fields).problem(404, "not-found")
    api.delete("file").problem(404, "not-found")


@pytest.mark.parametrize("target", ["/v1/files/", "/v1/files", "/v1/files/default/folder/", "/v1/"])
def test_no_folder_can_be_listed(api: ApiClient, target: str) -> None:
    """Row 48: an address that looks like a folder is no file, and returns no list."""
    api.stored("folder/inside")
    answer = api.get(target)
    assert answer.status in (400, 404)
    assert b"inside" not in answer.body
