"""Responses with small pictures: fields, conditions, ranges, other origins and bad widths."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.servers.links import PNG, link
from tests.servers.nginx import running
from tests.servers.small_pictures import Maker, Ways, asking, picture_of, slug
from tests.servers.upload import UploadService
from tests.servers.uwsgi_apps import serving

ORIGIN = "https://app.example"


def test_an_answer(ways: Ways) -> None:
    """The response has the picture, its own ETag, and the security fields of the file."""
    answer = ways.picture("download=x.exe&w=256")
    assert (answer.status, answer.body) == (200, picture_of(PNG, "256"))
    file = ways.upload.records.file("demo", "default", "a.png")
    assert file is not None
    expected = {
        "Content-Type": "image/webp",
        "ETag": f'"{file.sha256}-w256"',
        "Content-Disposition": 'inline; filename="a.webp"',
        "Cache-Control": "private, no-cache",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Content-Length": str(len(answer.body)),
        "Vary": "Origin",
    }
    for name, value in expected.items():
        assert answer.headers.get_all(name) == [value], name
    assert answer.headers["Repr-Digest"] is None
    assert answer.headers["X-Accel-Expires"] is None
    bare = ways.gateway.ask("/v1/files/default/a.png?w=256", "HEAD", Authorization=ways.bearer)
    assert (bare.status, bare.body) == (200, b"")
    assert dict(bare.headers).keys() - {"Date"} == dict(answer.headers).keys() - {"Date"}
    assert bare.headers["Content-Length"] == answer.headers["Content-Length"]
    # The maker (`Maker`) made one picture for both requests, and makes one more for another width.
    assert len(ways.maker.made) == 1
    assert ways.picture("w=64").body == picture_of(PNG, "64")


def test_head_first(ways: Ways) -> None:
    """A HEAD request lets nginx cache the complete picture."""
    target = "/v1/files/default/a.png?w=64"
    assert ways.gateway.ask(target, "HEAD", Authorization=ways.bearer).status == 200
    ways.end_maker()
    assert ways.picture().body == picture_of(PNG, "64")


@pytest.mark.parametrize("way", ["token", "link", "public"])
def test_conditions_and_ranges(ways: Ways, way: str) -> None:
    """Conditions and ranges apply to the picture and its ETag, whether nginx has cached
    it or not.
    """
    ask = asking(ways, way)
    # The picture does not exist yet, but nginx evaluates the conditions.
    etag = ask("w=64", method="HEAD").headers["ETag"]
    whole = picture_of(PNG, "64")
    for _ in range(2):
        assert ask("w=64", If_None_Match=etag).status == 304
        assert ask("w=64", If_None_Match=f'"x", W/{etag}').status == 304
        unchanged = ask("w=64", If_None_Match=etag)
        assert (unchanged.body, unchanged.headers["ETag"]) == (b"", etag)
        assert unchanged.headers["Content-Length"] is None
        for fields in ({"If_None_Match": '"x"'}, {"If_Match": etag}, {"If_Match": "*"}):
            answer = ask("w=64", **fields)
            assert (answer.status, answer.body) == (200, whole), fields
        gone = ask("w=64", If_Match='"x"')
        assert (gone.status, json.loads(gone.body)["type"]) == (
            412,
            "/problems/precondition-failed",
        )
        past = "Sun, 06 Nov 1994 08:49:37 GMT"
        assert ask("w=64", If_Unmodified_Since=past).status == 412
        assert ask("w=64", If_Modified_Since=past).body == whole
        part = ask("w=64", Range="bytes=3-8")
        assert (part.status, part.body) == (206, whole[3:9])
        assert part.headers["Content-Range"] == f"bytes 3-8/{len(whole)}"
        assert ask("w=64", Range="bytes=3-8", If_Range=etag).status == 206
        assert ask("w=64", Range="bytes=3-8", If_Range='"x"').body == whole
        assert ask("w=64", Range="bytes=0-1,4-5").body == whole
        beyond = ask("w=64", Range="bytes=999-")
        assert (beyond.status, json.loads(beyond.body)["status"]) == (416, 416)
        assert beyond.headers["Content-Range"] == f"bytes */{len(whole)}"
    # The ETag of the file or of another width does not match the picture.
    for other in (ask("").headers["ETag"], ask("w=256").headers["ETag"]):
        assert ask("w=64", If_None_Match=other).status == 200
    assert len(ways.maker.made) == 2


def test_shared_pictures(ways: Ways) -> None:
    """A picture from a link or a public file has the cache and security fields of its file."""
    by_link = asking(ways, "link")("w=64")
    assert (by_link.status, by_link.body) == (200, picture_of(PNG, "64"))
    assert by_link.headers.get_all("Cache-Control") == ["private, no-cache"]
    assert by_link.headers["Content-Disposition"] == 'inline; filename="a.webp"'
    assert by_link.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert by_link.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    public = asking(ways, "public")("w=64")
    assert (public.status, public.body) == (200, picture_of(PNG, "64"))
    assert public.headers.get_all("Cache-Control") == ["public, max-age=2, must-revalidate"]
    assert public.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


def test_other_origins(ways: Ways) -> None:
    """A page of another origin may read a picture, or its refusal, exactly if it
    may read the file.
    """
    body = json.dumps({"public": True, "cors_origins": [ORIGIN]}).encode()
    json_type = {"Content-Type": "application/json"}
    ways.upload.request("PUT", "/v1/buckets/default", body, json_type)
    ways.upload.put("a.txt", b"text")
    for end, status in ((".png", 200), (".txt", 404)):
        paths = (f"/v1/files/default/a{end}", f"/public/demo/default/a{end}")
        for path in (*paths, link(ways.upload, key=f"a{end}")):
            for origin, allowed in ((ORIGIN, ORIGIN), ("https://evil.example", None)):
                answer = ways.gateway.ask(f"{path}?w=64", Origin=origin, Authorization=ways.bearer)
                assert answer.status == status
                assert answer.headers["Access-Control-Allow-Origin"] == allowed, path
                assert answer.headers.get_all("Vary") == ["Origin"]


def test_a_bad_width(ways: Ways) -> None:
    """A bad width gets 400 with a token and 404 with a link. The service
    `images` receives no request.
    """
    shared = [asking(ways, way) for way in ("link", "public")]
    for query in ("w=", "w", "w=63", "w=64x", "w=5&w=64"):
        assert ways.picture(query).status == 400, query
        for ask in shared:
            answer = ask(query)
            assert (answer.status, slug(answer)) == (404, "not-found"), query
    assert ways.maker.made == []


def test_an_origin_of_its_own(upload: UploadService, tmp_path: Path) -> None:
    """If user content has a separate origin, pictures of links and of public files
    are on this origin.

    Other pages may embed these pictures.
    """
    sockets = tmp_path / "sockets"
    settings = {
        "WHARF_IMAGES_SOCKET": f"{sockets}/images.sock",
        "WHARF_CONTENT_ORIGIN": "https://files.test",
    }
    content = upload.restarted(content_origin="https://files.test", durability="relaxed")
    content.put("a.png", PNG)
    target = link(content, key="a.png").removeprefix("https://files.test")
    with (
        running(tmp_path, upload.settings.data, settings) as gateway,
        serving(sockets / "upload.sock", content.app.wsgi),
        serving(sockets / "images.sock", Maker(sockets / "images-blobs.sock")),
    ):
        answer = gateway.ask(f"{target}?w=64", Host="files.test")
        assert (answer.status, answer.body) == (200, picture_of(PNG, "64"))
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        judged = gateway.ask(f"{target}?w=64", Host="files.test", If_Match="*")
        assert (judged.status, judged.body) == (200, picture_of(PNG, "64"))
        moved = gateway.ask(f"{target}?w=64", Host="main.test")
        assert (moved.status, moved.headers["Location"]) == (
            308,
            f"https://files.test{target}?w=64",
        )
