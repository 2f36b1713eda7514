"""Files that attack the programs that open them (security.md rows 32, 33, 35)."""

from __future__ import annotations

import hashlib
import io
import socket
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.multipart_body import file_part
from tests.servers.wharf.traces import traces

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
SIDE = 20_000  # 400 million pixels of one bit, in 50 kB
ENTITY = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY % e SYSTEM "{url}"> %e; <!ENTITY f SYSTEM '
ENTITY += '"{url}/f">]>'
PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
PICTURE += '<image xlink:href="{url}/i"/><use href="{url}/u#a"/><text>&f;</text></svg>'


def _chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def pixel_bomb() -> bytes:
    """Return a valid PNG of 400 million pixels in 50 kB."""
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((SIDE // 8 + 1) * SIDE), 9)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def test_a_pixel_bomb_has_no_small_picture(wharf: Wharf, api: ApiClient) -> None:
    """Row 32: a pixel bomb is stored, gets no small picture, and ends no image process."""
    content = pixel_bomb()
    makers = wharf.processes("images")
    assert makers
    for width in (64, 256, 1024):
        api.stored("bomb.png", content)
        api.file(f"bomb.png?w={width}").problem(404, "no-preview")
    assert api.file("bomb.png").body == content
    assert set(makers) <= set(wharf.processes("images"))


def archive(*, large: bool) -> bytes:
    """Return a ZIP with climbing paths, a symbolic link, and a member that unpacks to 20 MB."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name in ("../../../evil", "/tmp/evil", "..\\evil", "C:\\evil", "a/../../evil"):
            made.writestr(name, b"evil")
        link = zipfile.ZipInfo("link")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        made.writestr(link, "/etc/passwd")
        made.writestr("mimetype", bytes(20_000_000))
        if large:
            made.writestr(zipfile.ZipInfo("padding"), bytes(100_000))
    return file.getvalue()


@pytest.mark.parametrize("large", [False, True], ids=["in-memory", "spooled"])
def test_archives_are_never_unpacked(wharf: Wharf, api: ApiClient, *, large: bool) -> None:
    """Row 33: PUT and form store an archive as one file with its own bytes, never unpacked."""
    content = archive(large=large)
    api.send_json("PUT", "/v1/buckets/typed", {"allowed_types": ["application/zip"]})
    api.stored("a.zip", content, bucket="typed")
    answer = api.post(file_part("b.zip", content), bucket="typed")
    assert answer.status == 201, answer.body
    assert api.listed("typed") == ["a.zip", "b.zip"]
    assert api.used() == (2 * len(content), 2)
    api.file("a.zip?w=64", bucket="typed").problem(404, "no-preview")
    assert api.file("a.zip", bucket="typed").body == content
    blobs = traces(wharf, api.tenant).blobs
    assert len(blobs) == 2
    assert {_digest(path) for path in blobs} == {hashlib.sha256(content).hexdigest()}
    assert list(wharf.data.rglob("evil")) == []


def _digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def canary() -> Iterator[str]:
    """Yield an address, and fail the test if any program connects to it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        try:
            listening.accept()[0].close()
        except BlockingIOError:
            return
        pytest.fail("an address in a document was asked for")


def documents(url: str) -> dict[str, tuple[str, bytes]]:
    """Return type and content of documents by name; each refers to the address as its
    format can.
    """
    xml, svg = ENTITY.format(url=url), PICTURE.format(url=url)
    relations = f'<Relationships><Relationship Target="{url}/t" TargetMode="External"/>'
    office = io.BytesIO()
    with zipfile.ZipFile(office, "w") as made:
        made.writestr("[Content_Types].xml", f"{xml}<Types/>")
        made.writestr("word/document.xml", f"{xml}<document>&f;</document>")
        made.writestr("word/_rels/document.xml.rels", f"{relations}</Relationships>")
    page = f'<!doctype html><html><link rel="stylesheet" href="{url}/c"><img src="{url}/i"></html>'
    return {
        "a.svg": ("image/svg+xml", (xml + svg).encode()),
        "a.docx": (DOCX, office.getvalue()),
        "a.xml": ("application/xml", f"{xml}<x>&f;</x>".encode()),
        "a.html": ("text/html", page.encode()),
        "a.m3u8": ("application/vnd.apple.mpegurl", f"#EXTM3U\n#EXTINF:1,\n{url}/v\n".encode()),
    }


def test_documents_cause_no_traffic(api: ApiClient) -> None:
    """Row 35: Wharf requests no address in a document during upload, preview or download."""
    with canary() as url:
        for name, (media_type, content) in documents(url).items():
            policy = {"allowed_types": [media_type]}
            assert api.send_json("PUT", "/v1/buckets/typed", policy).status in (200, 201)
            for body in (content, content + b" " * 100_000 if name != "a.docx" else content):
                stored = api.stored(name, body, bucket="typed")
                assert stored["media_type"] == media_type
                assert api.post(file_part(name, body), bucket="typed").status == 201
            api.file(f"{name}?w=64", bucket="typed").problem(404, "no-preview")
            assert api.file(name, bucket="typed").body == body
