"""`fetch` from a page on another origin, with an upload ticket.

Row numbers are those of the tables in docs/security.md.
"""

from __future__ import annotations

import pytest

from tests.e2e.browser.conftest import GATEWAYS_BYTES
from tests.e2e.browser.visitor import BUCKET, EVIL, HTML, OURS, PNG, Visitor

PUT = "{method: 'PUT', headers: {Authorization: 'Bearer ' + args[1]}, body: args[2]}"
#: An image, padded with bytes to a size. Bytes after the image's end do not change its type.
IMAGE = (
    "{method: 'PUT', headers: {Authorization: 'Bearer ' + args[1]},"
    " body: new Blob([Uint8Array.from(args[2]), new Uint8Array(args[3])])}"
)
FORM = (
    "{method: 'POST', headers: {Authorization: 'Bearer ' + args[1]}, body: (() => {"
    " const form = new FormData();"
    " form.append('file', new File([args[2]], 'note.txt', {type: 'text/plain'}));"
    " return form; })()}"
)


def test_a_put(visitor: Visitor) -> None:
    """A page on a listed origin can store a file, and read the body and fields of the response."""
    visitor.bucket()
    visitor.visit("")
    target = f"/v1/files/{BUCKET}/a.txt"
    answer = visitor.fetch(target, PUT, visitor.ticket(), "from a page")
    assert answer["status"] == 201
    assert answer["json"]["key"] == "a.txt"
    # A page cannot see header fields that are not exposed.
    assert answer["headers"]["location"].endswith(target)
    assert answer["headers"]["etag"] == f'"{answer["json"]["sha256"]}"'
    assert answer["headers"]["x-request-id"]
    assert visitor.api.file("a.txt", bucket=BUCKET).body == b"from a page"


def test_a_form(visitor: Visitor) -> None:
    """A page can store a form that a script made."""
    visitor.bucket()
    visitor.visit("")
    answer = visitor.fetch(f"/v1/files/{BUCKET}", FORM, visitor.ticket(), "text")
    assert answer["status"] == 201
    assert [one["key"] for one in answer["json"]["files"]] == visitor.stored() == ["note.txt"]


@pytest.mark.parametrize("size", [0, 1_000_000])
def test_a_refused_type(visitor: Visitor, size: int) -> None:
    """HTML named like an image is refused, small or spooled, and the page can read the reason."""
    visitor.bucket(allowed_types=["image/*"])
    visitor.visit("")
    target = f"/v1/files/{BUCKET}/a.png"
    answer = visitor.fetch(target, PUT, visitor.ticket(), HTML.decode() + " " * size)
    assert (answer["status"], answer["json"]["type"]) == (415, "/problems/type-not-allowed")
    assert "text/html" in answer["json"]["detail"]
    assert answer["headers"]["content-type"] == "application/problem+json"
    good = visitor.fetch(target, IMAGE, visitor.ticket(), list(PNG), size)
    assert good["status"] == 201


def test_a_refused_size(visitor: Visitor) -> None:
    """A file over the bucket's limit is refused, and the page can read the reason."""
    visitor.bucket(max_file_bytes=5_000_000)
    visitor.visit("")
    for size in (5_000_001, GATEWAYS_BYTES):
        target = f"/v1/files/{BUCKET}/a.png"
        answer = visitor.fetch(target, IMAGE, visitor.ticket(), [], size)
        assert (answer["status"], answer["json"]["type"]) == (413, "/problems/too-large")
        assert answer["json"]["limit_bytes"] == 5_000_000
    assert visitor.stored() == []


def test_nginx_refuses(visitor: Visitor) -> None:
    """A page can read a refusal that nginx makes, with the request id."""
    visitor.bucket()
    visitor.visit("")
    target = f"/v1/files/{BUCKET}/a.png"
    answer = visitor.fetch(target, IMAGE, visitor.ticket(), [], GATEWAYS_BYTES + 1)
    assert (answer["status"], answer["json"]["type"]) == (413, "/problems/too-large")
    assert answer["json"]["request_id"] == answer["headers"]["x-request-id"]


def test_a_bad_ticket(visitor: Visitor) -> None:
    """A page can distinguish a refused credential from a broken connection."""
    visitor.bucket()
    visitor.visit("")
    for size in (1, 200_000):
        target = f"/v1/files/{BUCKET}/a.png"
        answer = visitor.fetch(target, IMAGE, "no.such.ticket", [], size)
        assert (answer["status"], answer["json"]["type"]) == (401, "/problems/token-malformed")


def test_other_places(visitor: Visitor) -> None:
    """A ticket for another prefix is refused, and the page can read the reason."""
    visitor.bucket()
    visitor.visit("")
    narrow = visitor.ticket(prefix="mine/")
    answer = visitor.fetch(f"/v1/files/{BUCKET}/yours/a.txt", PUT, narrow, "x")
    assert (answer["status"], answer["json"]["type"]) == (403, "/problems/ticket-refused")
    answer = visitor.fetch(f"/v1/files/{BUCKET}/mine/a.txt", PUT, narrow, "x")
    assert answer["status"] == 201


@pytest.mark.parametrize("host", [EVIL, f"{OURS}.{EVIL}", f"evil-{OURS}", f"sub.{OURS}"])
def test_origins_that_are_not_listed(visitor: Visitor, host: str) -> None:
    """Row 66: the browser keeps a page of an unlisted origin from reading and from writing."""
    visitor.bucket()
    visitor.api.stored("there.txt", bucket=BUCKET)
    visitor.visit("", host)
    target = f"/v1/files/{BUCKET}/a.txt"
    said = visitor.blocked(target, PUT, visitor.ticket(), "x")
    assert "Access-Control-Allow-Origin" in said
    assert visitor.stored() == ["there.txt"]
    reading = "{headers: {Authorization: 'Bearer ' + args[1]}}"
    said = visitor.blocked(f"/v1/files/{BUCKET}/there.txt", reading, visitor.api.token)
    assert "Access-Control-Allow-Origin" in said


def test_a_page_without_an_origin(visitor: Visitor) -> None:
    """Row 66: a sandboxed page has the origin `null`, which no bucket allows."""
    visitor.bucket()
    script = (
        f"fetch('{visitor.wharf.url}/v1/files/{BUCKET}/a.txt', {{method: 'PUT', body: 'x',"
        f" headers: {{Authorization: 'Bearer {visitor.ticket()}'}}}})"
        ".then(a => 'seen', e => e.name).then(t => parent.postMessage(t, '*'))"
    )
    visitor.visit(
        f'<iframe sandbox=allow-scripts srcdoc="<script>{script}</script>"></iframe><p></p>'
        "<script>onmessage = e => document.querySelector('p').textContent = e.data</script>"
    )
    assert visitor.awaited(lambda: visitor.text("p")) == "TypeError"
    assert visitor.stored() == []


def test_buckets_without_origins(visitor: Visitor) -> None:
    """No page can read responses of a bucket without listed origins.

    If no bucket lists a page's origin, the browser does not even send the page's upload.
    """
    assert visitor.api.send_json("PUT", "/v1/buckets/closed", {}).status == 201
    ticket = visitor.ticket(bucket="closed")
    # A preflight contains no credential, so an origin that another bucket lists passes it.
    visitor.bucket()
    for host, sent in ((OURS, ["a.txt"]), (EVIL, [])):
        visitor.visit("", host)
        said = visitor.blocked("/v1/files/closed/a.txt", PUT, ticket, "x")
        assert "Access-Control-Allow-Origin" in said
        assert visitor.api.listed("closed") == sent
        visitor.api.delete("a.txt", bucket="closed")


def test_administration_is_for_no_page(visitor: Visitor) -> None:
    """No page of another origin can read responses of routes that belong to no bucket."""
    visitor.bucket()
    visitor.visit("")
    reading = "{headers: {Authorization: 'Bearer ' + args[1]}}"
    for target in ("/v1/usage", "/v1/buckets", "/auth/v1/tenants"):
        assert "Access-Control-Allow-Origin" in visitor.blocked(target, reading, visitor.api.token)
