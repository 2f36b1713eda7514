"""Small pictures in nginx's cache: which ones, for how long, and responses while the maker is down.

The maker stands in for the service `images` (`tests.servers.small_pictures`).
"""

from __future__ import annotations

import http.client
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.servers.links import PNG, link
from tests.servers.nginx import running
from tests.servers.small_pictures import Ways, asking, picture_of, slug
from tests.servers.upload import UploadService
from tests.servers.uwsgi_apps import serving
from tests.servers.wharf.raw_http import until
from wharf_upload.maintenance.pictures import KeptPictures


def test_what_has_no_picture(ways: Ways) -> None:
    """A file without a picture gets the problem `no-preview`. nginx asks the
    service `images` only once.
    """
    ways.upload.put("a.txt", b"text")
    for key in ("a.txt", "a.txt"):
        answer = ways.picture(key=key)
        assert (answer.status, answer.headers["Content-Type"]) == (404, "application/problem+json")
        assert slug(answer) == "no-preview"
        assert answer.headers.get_all("Cache-Control") == ["no-store"]
        assert answer.headers["ETag"] is answer.headers["Content-Disposition"] is None
    assert len(ways.maker.made) == 1
    assert ways.kept() == []
    page = ways.gateway.ask(link(ways.upload, key="a.txt") + "?w=64", Accept="text/html")
    assert (page.status, page.headers["Content-Type"]) == (404, "text/html; charset=utf-8")


def files(folder: Path) -> list[Path]:
    """Return all files of a folder and of its subfolders."""
    return [path for path in folder.rglob("*") if path.is_file()]


def test_made_up_queries(ways: Ways) -> None:
    """nginx's cache of decisions has one entry for each width, and one entry for all bad widths.

    Other parameters of the query make no entry.
    """
    ask, folder = asking(ways, "link"), Path(ways.gateway.gateway.run) / "decisions"
    for queries, entries in (
        (("w=64", "w=64&x=1", "y=2&w=64&w=256", "w=64&download=z", "download=u&w=64"), 1),
        (("w=256",), 2),
        (("w=1", "w=2", "w=", "w&download=x"), 3),
    ):
        for query in queries:
            ask(query)
        # nginx renames the file of an entry a moment after its response.
        assert until(lambda wanted=entries: len(files(folder)) == wanted)


def test_a_busy_maker(ways: Ways) -> None:
    """While the service `images` is busy, a request gets 503 with `Retry-After`,
    and nginx caches nothing.
    """
    ways.maker.busy = True
    for way in ("token", "link"):
        answer = asking(ways, way)("w=64")
        assert (answer.status, slug(answer)) == (503, "unavailable")
        assert answer.headers["Retry-After"] == "1"
    ways.maker.busy = False
    assert ways.picture().status == 200


def test_no_maker(ways: Ways) -> None:
    """While the service `images` is down, cached pictures are sent, and requests
    for others get 503.

    When the service runs again, it makes the missing pictures.
    """
    kept = ways.picture("w=64").body
    ways.end_maker()
    assert ways.picture("w=64").body == kept
    away = ways.picture("w=256")
    assert (away.status, away.headers["Retry-After"]) == (503, "1")
    ways.start_maker()
    assert ways.picture("w=256").body == picture_of(PNG, "256")


def test_a_crowd_has_one_made(ways: Ways) -> None:
    """Ten clients that request one missing picture at the same time all wait for one
    run of the maker.
    """
    ask = asking(ways, "link")
    ways.maker.go_on.clear()
    with ThreadPoolExecutor(10) as threads:
        answers = [threads.submit(ask, "w=64") for _ in range(10)]
        while not ways.maker.made:
            threading.Event().wait(0.01)
        ways.maker.go_on.set()
        assert {one.result().body for one in answers} == {picture_of(PNG, "64")}
    assert len(ways.maker.made) == 1


def test_after_a_deletion(ways: Ways) -> None:
    """After the deletion of a file nginx refuses the file's picture, too. The sweep removes the
    picture from the disk.
    """
    ask = asking(ways, "link")
    assert ways.picture("w=64").status == ask("w=256").status == 200
    assert until(lambda: len(ways.kept()) == 2)
    (first, second) = ways.kept()
    assert {path.stat().st_mode & 0o077 for path in (first, second)} == {0}
    ways.upload.request("DELETE", "/v1/files/default/a.png")
    assert ways.picture("w=64").status == 404
    while ask("w=256").status != 404:  # nginx may still use a cached decision
        threading.Event().wait(0.1)
    location = ways.maker.made[0].partition(" ")[2]
    pictures = KeptPictures(ways.upload.settings.data)
    tenant, _, blob = location.split("/")
    assert {(kept.tenant, kept.blob) for kept in pictures.kept()} == {(tenant, blob)}
    pictures.forget(location)
    assert ways.kept() == []


def test_a_picture_that_was_removed(ways: Ways) -> None:
    """nginx requests a picture again when its cached copy was removed."""
    ways.picture()
    assert until(ways.kept)
    for path in ways.kept():
        path.unlink()
    assert ways.picture().body == picture_of(PNG, "64")
    assert len(ways.maker.made) == 2


def test_bytes_for_the_maker(ways: Ways) -> None:
    """The socket for the service `images` serves only bytes of blobs, and only to read them."""
    ways.picture()
    location = ways.maker.made[0].partition(" ")[2]
    assert ways.maker.bytes_of(location) == (200, PNG)
    assert ways.maker.bytes_of(location, "DELETE")[0] == 403
    for other in ("", "demo/", "../upload/upload.db", "%2e%2e/upload/upload.db", f"{location}/x"):
        assert ways.maker.bytes_of(other)[0] in {400, 403, 404}
    for target in (f"/_bytes/{location}", f"/_picture/64/{location}", "/_no_preview"):
        assert ways.gateway.ask(target, Authorization=ways.bearer).status == 404


def test_what_the_maker_counts(ways: Ways) -> None:
    """The metrics of the service `images` are on the internal port and on no other port."""
    port = ways.gateway.gateway.settings.metrics_port
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/metrics/images")
    assert connection.getresponse().read() == b"wharf_images_up 1\n"
    connection.close()
    assert ways.gateway.ask("/metrics/images").status == 404


def test_without_a_maker(upload: UploadService, tmp_path: Path) -> None:
    """Without the service `images` a request for a picture gets `no-preview`. The
    file itself is sent.
    """
    upload.put("a.png", PNG)
    with (
        running(tmp_path, upload.settings.data, {}) as gateway,
        serving(gateway.sockets / "upload.sock", upload.app.wsgi),
    ):
        bearer = f"Bearer {upload.issuer.token(tid='demo')}"
        path = link(upload, key="a.png")
        for target in ("/v1/files/default/a.png", path):
            answer = gateway.ask(f"{target}?w=64", Authorization=bearer)
            assert answer.status == 404
            assert slug(answer) == "no-preview"
            assert gateway.ask(target, Authorization=bearer).body == PNG


def test_the_folder_is_closed(ways: Ways) -> None:
    """Only the service's own user can read the folder with the pictures of all tenants."""
    folder = ways.upload.settings.data / "pictures" / "one"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
