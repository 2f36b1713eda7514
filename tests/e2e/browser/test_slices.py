"""Unmodified uploaders that cut files into slices, on a page of another origin."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

import pytest

from tests.e2e.browser.visitor import BUCKET, HTML, PNG, Visitor
from tests.servers.browser import DROPZONE, DROPZONE_6, FINE_UPLOADER, PLUPLOAD, RESUMABLE

SLICE = 500_000
CONTENT = os.urandom(9 * SLICE + 1234)
VERSIONS = {"5.7.1": DROPZONE, "6.0.0-beta.2": DROPZONE_6}
#: The page loses the response to the first try of each slice, and sends the slice again.
LOSSES = """
  const tried = new Set();
  const send = XMLHttpRequest.prototype.send;
  XMLHttpRequest.prototype.send = function (body) {
    const index = body.get('dzchunkindex');
    if (!tried.has(index)) this.onload = () => this.onerror();
    tried.add(index);
    return send.call(this, body);
  };
"""
PAGE = """
<form id=zone class=dropzone></form>
<script src=/uploader.js></script>
<script>
  window.seen = [];
  Dropzone.autoDiscover = false;
  {before}
  new Dropzone('#zone', {{
    url: {url},
    headers: {headers},
    chunking: true,
    {more}
    init() {{
      this.on('success', (file, answer) => seen.push(['success', answer]));
      this.on('error', (file, message, xhr) => seen.push(['error', message, xhr && xhr.status]));
      this.on('queuecomplete', () => seen.push(['complete']));
    }}
  }});
</script>
"""


def opened(
    visitor: Visitor,
    version: str,
    more: str = "",
    *,
    before: str = "",
    by_path: bool = False,
    **rules: Any,
) -> None:
    """Open a page with this version of dropzone, and the ticket in the address or in a header."""
    ticket = visitor.ticket(**rules)
    url = f"/u/{ticket}" if by_path else f"/v1/files/{BUCKET}"
    headers = {} if by_path else {"Authorization": f"Bearer {ticket}"}
    visitor.site.pages["/uploader.js"] = ("text/javascript", VERSIONS[version].read_bytes())
    visitor.visit(
        PAGE.format(
            url=json.dumps(visitor.wharf.url + url),
            headers=json.dumps(headers),
            more=more,
            before=before,
        )
    )
    has_script = visitor.browser.run("return typeof Dropzone !== 'undefined'")
    assert has_script, visitor.browser.errors()
    assert visitor.browser.run("return Dropzone.version || null") in (version, None)


def dropped(visitor: Visitor, name: str, content: bytes) -> list[list[Any]]:
    """Choose a file, and return all events of dropzone until it is done."""
    visitor.choose(".dz-hidden-input", visitor.file(name, content))
    done = "return seen.some(([kind]) => kind === 'complete') && seen"
    found: list[list[Any]] = visitor.awaited(lambda: visitor.browser.run(done))
    return found


def told(seen: list[list[Any]], kind: str) -> list[list[Any]]:
    """Return the events of one kind."""
    return [one for one in seen if one[0] == kind]


def assert_whole(visitor: Visitor, name: str, content: bytes) -> None:
    """Check that one file is stored, with all its bytes, and counted once."""
    assert visitor.stored() == [name]
    found = visitor.api.get(f"/v1/metadata/{BUCKET}/{name}").json()
    assert found["sha256"] == hashlib.sha256(content).hexdigest()
    assert visitor.api.used() == (len(content), 1)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("by_path", [False, True])
def test_as_it_comes(visitor: Visitor, version: str, *, by_path: bool) -> None:
    """dropzone with only `chunking: true` uploads a file that a ticket counts once."""
    visitor.bucket()
    opened(visitor, version, by_path=by_path, max_files=1)
    seen = dropped(visitor, "film.bin", CONTENT)
    assert [kind for kind, *_ in seen] == ["success", "complete"]
    assert_whole(visitor, "film.bin", CONTENT)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("order", ["false", "true"])
@pytest.mark.parametrize("before", ["", LOSSES])
def test_side_by_side_and_again(visitor: Visitor, version: str, order: str, before: str) -> None:
    """Concurrent slices, and slices that are sent again after a lost response, become one file."""
    visitor.bucket()
    more = f"chunkSize: {SLICE}, parallelChunkUploads: {order}, retryChunks: true,"
    opened(visitor, version, more, before=before)
    seen = dropped(visitor, "film.bin", CONTENT)
    assert [kind for kind, *_ in seen] == ["success", "complete"], seen
    assert_whole(visitor, "film.bin", CONTENT)


@pytest.mark.parametrize("version", VERSIONS)
def test_small_files_beside_large_ones(visitor: Visitor, version: str) -> None:
    """dropzone uploads files smaller than a slice as usual, before and after a large file."""
    visitor.bucket()
    opened(visitor, version)
    for name, content in (("a.png", PNG), ("film.bin", CONTENT), ("b.png", PNG)):
        visitor.browser.run("seen.length = 0")
        assert [kind for kind, *_ in dropped(visitor, name, content)] == ["success", "complete"]
    assert visitor.stored() == ["a.png", "b.png", "film.bin"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("order", ["false", "true"])
def test_a_refused_type(visitor: Visitor, version: str, order: str) -> None:
    """HTML named like an image is refused at its first slice, and none of it is stored."""
    visitor.bucket(allowed_types=["image/*"])
    opened(visitor, version, f"chunkSize: {SLICE}, parallelChunkUploads: {order},")
    seen = dropped(visitor, "photo.png", HTML + bytes(5 * SLICE))
    errors = {status: json.loads(message) for _, message, status in told(seen, "error")}
    assert 415 in errors
    assert [one for one in errors.values() if "text/html" not in one["detail"]] == []
    assert visitor.stored() == []
    assert visitor.api.used() == (0, 0)


@pytest.mark.parametrize("version", VERSIONS)
def test_too_large(visitor: Visitor, version: str) -> None:
    """A file over the bucket's limit is refused at its first slice; the page can read why."""
    visitor.bucket(max_file_bytes=3_000_000)
    opened(visitor, version)
    ((_, message, status),) = told(dropped(visitor, "film.bin", CONTENT), "error")
    assert status == 413
    assert json.loads(message)["limit_bytes"] == 3_000_000
    assert visitor.api.used() == (0, 0)


REFUSED = {"Plupload": PLUPLOAD, "Resumable.js": RESUMABLE, "Fine Uploader": FINE_UPLOADER}
#: The script with which a page starts each uploader, with `URL`, `HEADERS` and `SLICE`. The
#: uploader takes its files from `#pick`.
SCRIPTS = {
    "Plupload": """
        const up = new plupload.Uploader({
          browse_button: 'pick', url: URL, headers: HEADERS, chunk_size: SLICE, runtimes: 'html5',
        });
        up.bind('FilesAdded', () => up.start());
        up.bind('FileUploaded', () => seen.push(['success']));
        up.bind('Error', (_, error) => seen.push(['error', error.status, error.response]));
        up.init();
    """,
    "Resumable.js": """
        const up = new Resumable({
          target: URL, headers: HEADERS, chunkSize: SLICE, testChunks: false,
        });
        up.assignBrowse(document.getElementById('pick'));
        up.on('fileAdded', () => up.upload());
        up.on('fileSuccess', () => seen.push(['success']));
        up.on('fileError', (file, message) => seen.push(['error', 415, message]));
    """,
    "Fine Uploader": """
        new qq.FineUploaderBasic({
          button: document.getElementById('pick'),
          request: {endpoint: URL, customHeaders: HEADERS},
          cors: {expected: true},
          chunking: {enabled: true, partSize: SLICE},
          callbacks: {
            onComplete: (id, name, answer, xhr) =>
              seen.push([answer.success ? 'success' : 'error', xhr.status, xhr.responseText]),
          },
        });
    """,
}


@pytest.mark.parametrize("uploader", REFUSED)
def test_others(visitor: Visitor, uploader: str) -> None:
    """Slices of other uploaders are refused, and the page can read the address for tus."""
    visitor.bucket()
    visitor.site.pages["/uploader.js"] = ("text/javascript", REFUSED[uploader].read_bytes())
    url = f"{visitor.wharf.url}/v1/files/{BUCKET}"
    headers = {"Authorization": f"Bearer {visitor.ticket()}"}
    visitor.visit(
        "<div id=pick style='width: 9em; height: 2em'>Pick</div><script src=/uploader.js></script>"
        f"<script>window.seen = []; const SLICE = {SLICE}, HEADERS = {json.dumps(headers)},"
        f" URL = {json.dumps(url)}; {SCRIPTS[uploader]}</script>"
    )
    visitor.awaited(lambda: visitor.browser.run("return !!document.querySelector('input')"))
    visitor.choose("input[type=file]", visitor.file("film.bin", CONTENT))
    ((kind, status, text), *_) = visitor.awaited(
        lambda: visitor.browser.run("return seen.length && seen")
    )
    assert (kind, status) == ("error", 415)
    problem = json.loads(text)
    assert (problem["uploader"], problem["tus"]) == (uploader, "/v1/uploads")
    assert visitor.stored() == []
