"""Every operation of `upload`, and its requests that name a key, for `test_grants_walk.py`.

If a new operation is in no table, `test_every_operation_is_in_the_tables` fails. Then decide which
requests of it callers with grants may send, and add the operation to a table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from tests.servers.grants_played import OCTETS, TUS, metadata_of, of_everything
from tests.servers.upload import BOUNDARY, UploadService, form_body

#: The only folder that the caller of these tests reaches, in the only bucket that the caller knows.
BUCKET, FOLDER = "photos", "mine/"
INSIDE = f"{FOLDER}a.txt"
#: A key that exists outside the folder and one that does not; a bucket that no grant names, and
# one that does not exist.
OUTSIDE, ABSENT = "theirs/secret.txt", "theirs/absent.txt"
HIDDEN, NO_BUCKET = "hidden-bucket", "absent-bucket"
FORM_TYPE = f"multipart/form-data; boundary={BOUNDARY}"
_JSON = {"Content-Type": "application/json"}


def filled_world(upload: UploadService) -> UploadService:
    """Store the files `INSIDE` and `OUTSIDE` in two buckets, one of which the caller
    does not know.
    """
    owner = of_everything(upload)
    for bucket in (BUCKET, HIDDEN):
        assert owner.ask("PUT", f"/v1/buckets/{bucket}", b"{}", _JSON).status == 201
        for key in (INSIDE, OUTSIDE):
            assert owner.ask("PUT", _file(bucket, key), b"what is secret").status == 201
    return upload


class Asked(NamedTuple):
    """One request."""

    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = {}
    spooled: bool = False


class Way(NamedTuple):
    """A request of an operation for a key, and the response's status when the caller does
    not reach the key.

    `status` is for a key in a bucket that the caller knows: 404 as for a missing file, or 403
    `outside-grants`. In a bucket that no grant names the status is always 404.
    """

    name: str
    status: int
    ask: Callable[[str, str], Asked]


def _file(bucket: str, key: str) -> str:
    return f"/v1/files/{bucket}/{quote(key)}"


def _json(path: str, document: object) -> Asked:
    return Asked(path, msgspec.json.encode(document), _JSON)


def _metadata(bucket: str, key: str, change: object | None = None) -> Asked:
    path = f"/v1/metadata/{bucket}/{quote(key)}"
    return Asked(path) if change is None else _json(path, change)


def _copy(source: tuple[str, str], to: tuple[str, str], conflict: str = "error") -> Asked:
    places = {"from": dict(zip(("bucket", "key"), source, strict=True))}
    places["to"] = dict(zip(("bucket", "key"), to, strict=True))
    return _json("/v1/copies", {**places, "move": True, "on_conflict": conflict})


def _form(bucket: str, key: str, *, whole: bool) -> Asked:
    folder, _, name = key.rpartition("/")
    fields = {"prefix": f"{folder}/", "on_conflict": "replace"}
    if whole:
        fields, name = {"paths": "keep", "on_conflict": "replace"}, key
    body = form_body([(name, b"new")], fields)
    return Asked(f"/v1/files/{bucket}", body, {"Content-Type": FORM_TYPE})


def _tus(bucket: str, key: str, **fields: str) -> Asked:
    names = metadata_of(bucket=bucket, key=key, on_conflict="replace")
    return Asked("/v1/uploads", None, {**TUS, **names, **fields})


def _begun(bucket: str, key: str) -> Asked:
    body = {**TUS, **metadata_of(bucket=bucket, key=key), "Upload-Length": "3"}
    return Asked("/v1/uploads", b"new", {**body, "Content-Type": OCTETS})


FILE, METADATA = "/v1/files/{bucket}/{key}", "/v1/metadata/{bucket}/{key}"
FORM, UPLOADS = "/v1/files/{bucket}", "/v1/uploads"
_PART = {"Upload-Complete": "?0", "Upload-Draft-Interop-Version": "8"}
_PARTIAL = {"Upload-Length": "9", "Upload-Concat": "partial"}
#: By operation: the requests that name a bucket and a key.
WALKED: Mapping[tuple[str, str], tuple[Way, ...]] = {
    ("GET", FILE): (
        Way("whole", 404, lambda b, k: Asked(_file(b, k))),
        Way("part", 404, lambda b, k: Asked(_file(b, k), headers={"Range": "bytes=0-1"})),
        Way("picture", 404, lambda b, k: Asked(f"{_file(b, k)}?w=256")),
        Way("tag", 404, lambda b, k: Asked(_file(b, k), headers={"If-None-Match": "*"})),
    ),
    ("HEAD", FILE): (Way("head", 404, lambda b, k: Asked(_file(b, k))),),
    ("PUT", FILE): (
        Way("small", 403, lambda b, k: Asked(_file(b, k), b"new")),
        Way("spooled", 403, lambda b, k: Asked(_file(b, k), b"new", spooled=True)),
        Way("new", 403, lambda b, k: Asked(_file(b, k), b"new", {"If-None-Match": "*"})),
        Way("changed", 403, lambda b, k: Asked(_file(b, k), b"new", {"If-Match": '"x"'})),
        Way("ietf", 403, lambda b, k: Asked(_file(b, k), b"new", _PART)),
    ),
    ("DELETE", FILE): (Way("delete", 404, lambda b, k: Asked(_file(b, k))),),
    ("POST", FORM): (
        Way("prefix", 403, lambda b, k: _form(b, k, whole=False)),
        Way("paths", 403, lambda b, k: _form(b, k, whole=True)),
    ),
    ("GET", METADATA): (Way("read", 404, _metadata),),
    ("PATCH", METADATA): (
        Way("change", 404, lambda b, k: _metadata(b, k, {"metadata": {"a": "b"}})),
        Way("expire", 404, lambda b, k: _metadata(b, k, {"expires_at": None})),
        Way("rename", 404, lambda b, k: _metadata(b, k, {"key": f"{FOLDER}stolen"})),
    ),
    ("POST", "/v1/copies"): (
        Way("from", 404, lambda b, k: _copy((b, k), (BUCKET, f"{FOLDER}stolen"))),
        Way("to", 403, lambda b, k: _copy((BUCKET, INSIDE), (b, k))),
        Way("replace", 403, lambda b, k: _copy((BUCKET, INSIDE), (b, k), "replace")),
        Way("from absent", 404, lambda b, k: _copy((b, k), ("absent-bucket", "x"))),
    ),
    ("POST", "/v1/links"): (
        Way("key", 404, lambda b, k: _json("/v1/links", {"bucket": b, "key": k})),
        Way("prefix", 403, lambda b, k: _json("/v1/links", {"bucket": b, "prefix": k[:3]})),
        Way("bucket", 403, lambda b, _: _json("/v1/links", {"bucket": b, "prefix": ""})),
    ),
    ("POST", UPLOADS): (
        Way("create", 403, lambda b, k: _tus(b, k, **{"Upload-Length": "9"})),
        Way("defer", 403, lambda b, k: _tus(b, k, **{"Upload-Defer-Length": "1"})),
        Way("with bytes", 403, _begun),
        Way("empty", 403, lambda b, k: _tus(b, k, **{"Upload-Length": "0"})),
        Way("partial", 403, lambda b, k: _tus(b, k, **_PARTIAL)),
    ),
}
#: Operations without a key in the request, or with special requests: the tests that cover them.
ELSEWHERE: Mapping[tuple[str, str], str] = {
    ("GET", FORM): "test_listing_shows_nothing_outside",
    ("GET", "/v1/buckets"): "test_buckets",
    ("GET", "/v1/buckets/{bucket}"): "test_buckets",
    ("PUT", "/v1/buckets/{bucket}"): "test_buckets",
    ("DELETE", "/v1/buckets/{bucket}"): "test_buckets",
    ("GET", "/v1/events"): "test_events_tell_nothing_outside",
    ("GET", "/v1/ticket"): "test_tickets_are_within_grants",
    ("GET", "/v1/usage"): "test_what_is_about_the_whole_tenant",
    ("GET", "/v1/links"): "test_links_are_within_grants",
    ("GET", "/v1/links/{link}"): "test_links_are_within_grants",
    ("DELETE", "/v1/links/{link}"): "test_links_are_within_grants",
    **{
        (method, f"/v1/webhooks{path}"): "test_webhooks_are_about_the_whole_tenant"
        for method, path in (
            *(("GET", ""), ("POST", "")),
            *((method, "/{endpoint}") for method in ("GET", "PATCH", "DELETE")),
            *(("POST", f"/{{endpoint}}/{act}") for act in ("test", "rotate", "enable", "replay")),
            ("GET", "/{endpoint}/deliveries"),
            ("GET", "/{endpoint}/deliveries/{delivery}"),
            ("POST", "/{endpoint}/deliveries/{delivery}/retry"),
        )
    },
    ("POST", "/v1/links/rotate"): "test_what_is_about_the_whole_tenant",
    ("GET", UPLOADS): "test_uploads_under_way",
    **{
        (method, f"{place}/{{upload}}"): "test_uploads_under_way"
        for method in ("GET", "HEAD", "PATCH", "POST", "DELETE")
        for place in ("/v1/uploads", "/u/{ticket}/uploads")
    },
    ("POST", "/u/{ticket}"): "test_tickets_are_within_grants",
    ("PUT", "/u/{ticket}"): "test_tickets_are_within_grants",
    ("PUT", "/u/{ticket}/{key}"): "test_tickets_are_within_grants",
    ("GET", "/s/{token}"): "test_links_end_with_their_makers_reach",
    ("HEAD", "/s/{token}"): "test_links_end_with_their_makers_reach",
    ("GET", "/s/{token}/{key}"): "test_links_end_with_their_makers_reach",
    ("HEAD", "/s/{token}/{key}"): "test_links_end_with_their_makers_reach",
}
#: Operations to which grants do not apply, and the reason.
OPEN = {
    ("GET", "/public/{tenant}/{bucket}/{key}"): "the bucket's policy lets anybody read",
    ("HEAD", "/public/{tenant}/{bucket}/{key}"): "the bucket's policy lets anybody read",
    ("GET", "/v1/tenants/{tenant}/limits"): "its scope excludes grants",
    ("PUT", "/v1/tenants/{tenant}/limits"): "its scope excludes grants",
}
#: Routes of Flask that are not in the OpenAPI document.
UNDOCUMENTED = {"/healthz", "/metrics", "/openapi.json", "/readyz"}
#: Requests that the gateway prepares: the operation or test that covers them, or the reason why
#: none does.
PREPARED = {
    "question admit": "each way that is spooled or streamed asks it",
    "question share": "test_links_end_with_their_makers_reach",
    "question cors": "it names no key to anybody",
    "PUT spooled": "PUT, spooled",
    "POST spooled": "POST of a form",
    "GET shared": "test_links_end_with_their_makers_reach",
    "OPTIONS": "it tells of the bucket's origins, as without a credential",
}
#: Modules of the live channel: their tests, or the reason why they need none.
LIVE = {
    "gate": "tests/unit/upload/live/test_rules.py, tests/e2e/test_grants.py",
    "sse": "tests/unit/upload/live/test_rules.py, tests/e2e/test_grants.py",
    "health": "it names no key",
}
