"""`fetch` from a page on another origin, with an upload ticket."""

from __future__ import annotations

import pytest

from tests.e2e.browser.conftest import GATEWAYS_BYTES
from tests.e2e.browser.visitor import BUCKET, EVIL, HTML, OURS, PNG, Visitor

PUT = "{method: 'PUT', headers: {Authorization: 'Bearer ' + args[1]}, body: args[2]}"
#: An image of so many bytes: what comes after its end is not looked at.
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
    """A page on a listed origin stores a file, and reads the answer's body and fields."""
    visitor.bucket()
    visitor.visit("")
    target = f"/v1/files/{BUCKET}/a.txt"
    answer = visitor.fetch(target, PUT, visitor.ticket(), "from a page")
    assert answer["status"] == 201
    assert answer["json"]["key"] == "a.txt"
    # What is not exposed does not exist for a page.
    assert answer["headers"]["location"].endswith(target)
    assert answer["headers"]["etag"] == f'"{answer["json"]["sha256"]}"'
    assert answer["headers"]["x-request-id"]
    assert visitor.api.file("a.txt", bucket=BUCKET).body == b"from a page"


def test_a_form(visitor: Visitor) -> None:
    """A form made by a script is stored too."""
    visitor.bucket()
    visitor.visit("")
    answer = visitor.fetch(f"/v1/files/{BUCKET}", FORM, visitor.ticket(), "text")
    assert answer["status"] == 201
    assert [one["key"] for one in answer["json"]["files"]] == visitor.stored() == ["note.txt"]


@pytest.mark.parametrize("size", [0, 1_000_000])
def test_a_refused_type(visitor: Visitor, size: int) -> None:
    """HTML called an image is refused, small or spooled, and the page can say why."""
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
    """What is too large for the bucket is refused before it is sent, and the page can say why."""
    visitor.bucket(max_file_bytes=5_000_000)
    visitor.visit("")
    for size in (5_000_001, GATEWAYS_BYTES):
        target = f"/v1/files/{BUCKET}/a.png"
        answer = visitor.fetch(target, IMAGE, visitor.ticket(), [], size)
        assert (answer["status"], answer["json"]["type"]) == (413, "/problems/too-large")
        assert answer["json"]["limit_bytes"] == 5_000_000
    assert visitor.stored() == []


def test_nginx_refuses(visitor: Visitor) -> None:
    """What nginx refuses by itself can be read by the page, with the request's id."""
    visitor.bucket()
    visitor.visit("")
    target = f"/v1/files/{BUCKET}/a.png"
    answer = visitor.fetch(target, IMAGE, visitor.ticket(), [], GATEWAYS_BYTES + 1)
    assert (answer["status"], answer["json"]["type"]) == (413, "/problems/too-large")
    assert answer["json"]["request_id"] == answer["headers"]["x-request-id"]


def test_a_bad_ticket(visitor: Visitor) -> None:
    """A refused credential can be told from a broken line."""
    visitor.bucket()
    visitor.visit("")
    for size in (1, 200_000):
        target = f"/v1/files/{BUCKET}/a.png"
        answer = visitor.fetch(target, IMAGE, "no.such.ticket", [], size)
        assert (answer["status"], answer["json"]["type"]) == (401, "/problems/token-malformed")


def test_other_places(visitor: Visitor) -> None:
    """A ticket for another prefix is refused, and the page can say why."""
    visitor.bucket()
    visitor.visit("")
    narrow = visitor.ticket(prefix="mine/")
    answer = visitor.fetch(f"/v1/files/{BUCKET}/yours/a.txt", PUT, narrow, "x")
    assert (answer["status"], answer["json"]["type"]) == (403, "/problems/ticket-refused")
    answer = visitor.fetch(f"/v1/files/{BUCKET}/mine/a.txt", PUT, narrow, "x")
    assert answer["status"] == 201


@pytest.mark.parametrize("host", [EVIL, f"{OURS}.{EVIL}", f"evil-{OURS}", f"sub.{OURS}"])
def test_origins_that_are_not_listed(visitor: Visitor, host: str) -> None:
    """Row 66: the browser keeps a page of any other origin from reading, and from writing."""
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
    """Row 66: a sandboxed page has the origin `null`, which is nobody's."""
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
    """What a bucket answers that lists no origin is read by no page, ours included; a page that no
    bucket at all lists does not even send.
    """
    assert visitor.api.send_json("PUT", "/v1/buckets/closed", {}).status == 201
    ticket = visitor.ticket(bucket="closed")
    # A preflight names nobody: what another bucket lists passes it.
    visitor.bucket()
    for host, sent in ((OURS, ["a.txt"]), (EVIL, [])):
        visitor.visit("", host)
        said = visitor.blocked("/v1/files/closed/a.txt", PUT, ticket, "x")
        assert "Access-Control-Allow-Origin" in said
        assert visitor.api.listed("closed") == sent
        visitor.api.delete("a.txt", bucket="closed")


def test_administration_is_for_no_page(visitor: Visitor) -> None:
    """Routes that belong to no bucket answer no page, on whatever origin."""
    visitor.bucket()
    visitor.visit("")
    reading = "{headers: {Authorization: 'Bearer ' + args[1]}}"
    for target in ("/v1/usage", "/v1/buckets", "/auth/v1/tenants"):
        assert "Access-Control-Allow-Origin" in visitor.blocked(target, reading, visitor.api.token)
